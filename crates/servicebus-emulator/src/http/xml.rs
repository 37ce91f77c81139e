//! XML as a tree, without namespaces: what little of it the management protocol needs.

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

/// Deeper nesting is refused.
const MAX_DEPTH: usize = 32;

/// An element. Names are local ones.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Element {
    pub(crate) name: String,
    attributes: Vec<(String, String)>,
    pub(crate) children: Vec<Element>,
    pub(crate) text: String,
}

impl Element {
    /// Reads a document.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut reader = Reader::from_str(text);
        let mut open = vec![Self::default()];
        loop {
            let event = reader.read_event().map_err(|error| error.to_string())?;
            let (top, depth) = (open.len() - 1, open.len());
            match event {
                Event::Start(start) if depth < MAX_DEPTH => open.push(Self::begin(&start)?),
                Event::Start(_) => return Err("nested too deeply".to_owned()),
                Event::Empty(start) => open[top].children.push(Self::begin(&start)?),
                Event::End(_) => {
                    let done = open.pop().filter(|_| top > 0).ok_or("an end without a start")?;
                    open[top - 1].children.push(done);
                }
                Event::Text(text) => open[top].text.push_str(&text.xml10_content()),
                Event::CData(text) => open[top].text.push_str(&text.xml10_content()),
                Event::GeneralRef(reference) => {
                    let character = match reference.resolve_char_ref() {
                        Ok(Some(character)) => character,
                        _ => entity(&reference.xml10_content())?,
                    };
                    open[top].text.push(character);
                }
                Event::Eof if depth == 1 => {
                    return open[0].children.pop().ok_or_else(|| "no element".to_owned());
                }
                Event::Eof => return Err("it ends within an element".to_owned()),
                Event::DocType(_) => return Err("document types are not allowed".to_owned()),
                Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
            }
        }
    }

    fn begin(start: &BytesStart<'_>) -> Result<Self, String> {
        let mut attributes = Vec::new();
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|error| error.to_string())?;
            let name = attribute.key.local_name();
            let value = attribute
                .normalized_value(XmlVersion::Implicit1_0)
                .map_err(|error| error.to_string())?;
            attributes.push((name.as_ref().to_owned(), value.into_owned()));
        }
        let name = start.local_name().as_ref().to_owned();
        Ok(Self { name, attributes, ..Self::default() })
    }

    pub(crate) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The text of a child; `None` if it is not there, or says that it is nothing.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        let child = self.child(name)?;
        (child.attribute("nil") != Some("true")).then(|| child.text.trim())
    }

    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

fn entity(name: &str) -> Result<char, String> {
    Ok(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        _ => return Err(format!("an unknown entity: {name}")),
    })
}

/// Text as it is written into a document.
pub(crate) fn escape(text: &str) -> String {
    quick_xml::escape::escape(text).into_owned()
}

/// An element with nothing but text.
pub(crate) fn leaf(name: &str, text: &str) -> String {
    format!("<{name}>{}</{name}>", escape(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_becomes_a_tree() {
        let text = "<?xml version=\"1.0\"?><a:entry xmlns:a=\"x\"><!-- c --><b i:type=\"T&amp;\">1 &lt; \
                    &#50;</b><c i:nil=\"true\"/><d>x<![CDATA[<y>]]></d></a:entry>";
        let entry = Element::parse(text).unwrap();
        assert_eq!(entry.name, "entry");
        assert_eq!(entry.value("b"), Some("1 < 2"));
        assert_eq!(entry.child("b").unwrap().attribute("type"), Some("T&"));
        assert_eq!(entry.value("c"), None);
        assert_eq!(entry.value("d"), Some("x<y>"));
    }

    #[test]
    fn what_is_no_document_is_refused() {
        let deep = "<a>".repeat(10_000);
        for text in
            ["", "x", "<a>", "</a>", "<a></b>", "<a>&x;</a>", "<a b=c/>", "<!DOCTYPE a><a/>", &deep]
        {
            assert!(Element::parse(text).is_err(), "{}", &text[..text.len().min(20)]);
        }
    }
}
