// Where the libraries are: adapter.mjs says why not beside these files.

import { readFileSync } from 'node:fs';
import { register } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const folder =
  process.env.UNSTALE_PEERS_NODE ?? fileURLToPath(new URL('../../../target/peers/node', import.meta.url));

register('./resolve.mjs', { parentURL: import.meta.url, data: folder });

/** The version that is really there, whatever the lock file says. */
export function installedVersion(packageName) {
  const manifest = readFileSync(join(folder, 'node_modules', packageName, 'package.json'), 'utf8');
  return JSON.parse(manifest).version;
}
