'use strict';
// Adds to the page what needs a script: tooltips, keys, zoom, copying. Everything else is there without.
(() => {
  const report = JSON.parse(document.getElementById('report').textContent);
  const tip = document.getElementById('tip');
  const make = (parent, tag, text, className) => {
    const element = document.createElement(tag);
    if (text) element.textContent = text;
    if (className) element.className = className;
    parent.append(element);
    return element;
  };
  const time = ms => {
    if (typeof ms !== 'number') return '–';
    if (ms !== 0 && ms < 1) return `${(ms * 1e3).toPrecision(3)} µs`;
    if (ms < 1e3) return `${+ms.toPrecision(3)} ms`;
    if (ms < 120e3) return `${(ms / 1e3).toFixed(3)} s`;
    return `${Math.floor(ms / 60e3)} min ${((ms % 60e3) / 1e3).toFixed(1)} s`;
  };
  // Lines are [strong, rest]; text only, never markup.
  const show = (x, y, lines) => {
    tip.replaceChildren();
    for (const [strong, rest] of lines) {
      const line = make(tip, 'div');
      if (strong) make(line, 'b', strong);
      if (rest) make(line, 'span', (strong ? ' ' : '') + rest);
    }
    tip.hidden = false;
    const box = tip.getBoundingClientRect();
    const left = x + 16 + box.width > innerWidth - 8 ? x - 16 - box.width : x + 16;
    const top = y + 16 + box.height > innerHeight - 8 ? y - 16 - box.height : y + 16;
    tip.style.transform = `translate(${Math.max(8, Math.min(left, innerWidth - box.width - 8))}px,${Math.max(8, top)}px)`;
  };
  const hide = () => { tip.hidden = true; };

  const copy = document.getElementById('copy');
  if (copy) {
    copy.hidden = false;
    copy.addEventListener('click', async () => {
      const command = document.getElementById('command');
      let done = true;
      try {
        await navigator.clipboard.writeText(command.textContent);
      } catch {
        // A page from a file may not use the clipboard: select, and let the old way try.
        getSelection().selectAllChildren(command);
        done = document.execCommand('copy');
      }
      copy.textContent = done ? 'Copied' : 'Selected';
      setTimeout(() => { copy.textContent = 'Copy'; }, 1500);
    });
  }

  const timeline = document.querySelector('.timeline');
  if (timeline) {
    const data = report.timeline;
    const plot = timeline.querySelector('.plot');
    const scroll = timeline.querySelector('.scroll');
    const extent = +timeline.dataset.extent;
    const top = +timeline.dataset.top;
    const height = +timeline.dataset.row;
    const rows = timeline.dataset.rows ? timeline.dataset.rows.split(' ').map(Number) : data.nodes.map((_, i) => i);
    // Tooltips of the browser's own would cover ours.
    plot.querySelectorAll('title').forEach(title => title.remove());
    const across = make(plot, 'div', '', 'cursor y');
    const down = make(plot, 'div', '', 'cursor x');
    const cursor = shown => { across.hidden = down.hidden = !shown; };
    cursor(false);
    const point = (row, ms, x, y, reach) => {
      cursor(true);
      down.style.left = `${(ms / extent) * 100}%`;
      across.style.top = `${top + row * height}px`;
      across.style.height = `${height}px`;
      const index = rows[row];
      const node = data.nodes[index];
      const span = node.spans.find(span => span.from_ms <= ms && ms < span.to_ms);
      const lines = [[node.name, `at ${time(ms)}${span ? `: ${span.state}` : ''}`]];
      const near = node.marks.filter(mark => Math.abs(mark.at_ms - ms) <= reach);
      near.sort((a, b) => Math.abs(a.at_ms - ms) - Math.abs(b.at_ms - ms));
      for (const mark of near.slice(0, 4)) lines.push([mark.kind, `${time(mark.at_ms)} ${mark.detail}`]);
      if (near.length > 4) lines.push(['', `and ${near.length - 4} more marks`]);
      for (const shade of data.shades) {
        if (shade.from_ms <= ms && ms < shade.to_ms && (!shade.nodes.length || shade.nodes.includes(index))) {
          lines.push(['under', shade.label || shade.kind]);
        }
      }
      show(x, y, lines);
    };
    const over = event => {
      const box = plot.getBoundingClientRect();
      const row = Math.floor((event.clientY - box.top - top) / height);
      const y = event.clientY - box.top;
      const ms = Math.max(0, Math.min(1, (event.clientX - box.left) / box.width)) * extent;
      if (row >= 0 && row < rows.length) {
        point(row, ms, event.clientX, event.clientY, (7 / box.width) * extent);
        return;
      }
      cursor(false);
      const under = y < top ? data.shades.filter(shade => shade.from_ms <= ms && ms < shade.to_ms) : [];
      if (under.length) {
        show(event.clientX, event.clientY, under.map(shade => [shade.label || shade.kind, `${time(shade.from_ms)} to ${time(shade.to_ms)}`]));
      } else {
        hide();
      }
    };
    plot.addEventListener('pointermove', over);
    plot.addEventListener('pointerdown', over);
    plot.addEventListener('pointerleave', () => { cursor(false); hide(); });

    // By keyboard: up and down through the nodes, left and right through what happened to one.
    plot.tabIndex = 0;
    plot.setAttribute('role', 'application');
    plot.setAttribute('aria-label', 'Timeline. Up and down: node. Left and right: event.');
    let row = 0;
    let at = 0;
    const moments = () => {
      const node = data.nodes[rows[row]];
      const all = [0, ...node.spans.map(span => span.from_ms), ...node.marks.map(mark => mark.at_ms)];
      return [...new Set(all)].filter(ms => typeof ms === 'number').sort((a, b) => a - b);
    };
    const reveal = () => {
      const x = (at / extent) * plot.clientWidth;
      if (x < scroll.scrollLeft || x > scroll.scrollLeft + scroll.clientWidth) {
        scroll.scrollLeft = x - scroll.clientWidth / 2;
      }
      const box = plot.getBoundingClientRect();
      const y = box.top + top + row * height;
      if (y < 80 || y > innerHeight - 120) scrollBy(0, y - innerHeight / 2);
      const now = plot.getBoundingClientRect();
      point(row, at, now.left + x, now.top + top + (row + 1) * height, extent / 1e4);
    };
    plot.addEventListener('focus', () => { if (plot.matches(':focus-visible')) reveal(); });
    plot.addEventListener('blur', () => { cursor(false); hide(); });
    plot.addEventListener('keydown', event => {
      const all = moments();
      switch (event.key) {
        case 'ArrowUp': row = Math.max(0, row - 1); break;
        case 'ArrowDown': row = Math.min(rows.length - 1, row + 1); break;
        case 'ArrowLeft': at = all.findLast(ms => ms < at) ?? 0; break;
        case 'ArrowRight': at = all.find(ms => ms > at) ?? at; break;
        case 'Home': at = 0; break;
        case 'End': at = all.at(-1) ?? 0; break;
        case 'Escape': cursor(false); hide(); return;
        default: return;
      }
      event.preventDefault();
      reveal();
    });

    const zoom = document.getElementById('zoom');
    zoom.parentElement.hidden = false;
    zoom.addEventListener('input', () => {
      const middle = (scroll.scrollLeft + scroll.clientWidth / 2) / plot.clientWidth;
      timeline.style.setProperty('--zoom', zoom.value);
      scroll.scrollLeft = middle * plot.clientWidth - scroll.clientWidth / 2;
    });
  }

  // Curves: all phases at the percentile under the pointer.
  document.querySelectorAll('.measure').forEach((card, index) => {
    const chart = card.querySelector('.chart');
    if (!chart) return;
    const measure = report.measures[index];
    const down = make(chart, 'div', '', 'cursor x');
    down.hidden = true;
    down.style.top = 0;
    chart.addEventListener('pointermove', event => {
      const box = chart.getBoundingClientRect();
      const share = Math.max(0, Math.min(1, (event.clientX - box.left) / box.width));
      const nines = share * +chart.dataset.nines;
      const percentile = 100 * (1 - 10 ** -nines);
      down.hidden = false;
      down.style.left = `${share * 100}%`;
      const value = number => (measure.unit === 'ms' ? time(number) : `${number} ${measure.unit}`);
      const lines = [[`p${+percentile.toFixed(Math.max(0, Math.ceil(nines)))}`, '']];
      for (const phase of measure.phases) {
        const next = phase.points.find(([at]) => at >= percentile) ?? phase.points.at(-1);
        if (next) lines.push([phase.phase, value(next[1])]);
      }
      show(event.clientX, event.clientY, lines);
    });
    chart.addEventListener('pointerleave', () => { down.hidden = true; hide(); });
  });

  addEventListener('scroll', () => { if (document.activeElement === document.body) hide(); }, { passive: true });
})();
