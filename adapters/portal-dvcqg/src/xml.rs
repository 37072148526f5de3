//! XML from strangers: elements and their texts, within limits. What could make it more than it looks (a document type,
//! entities other than the five that XML knows, processing instructions) is refused, not skipped.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lienthong_domain::invalid::Refusal;
use quick_xml::Reader;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::Event;

/// How much of it is read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct XmlLimits {
    pub(crate) bytes: usize,
    pub(crate) depth: usize,
    pub(crate) elements: usize,
}

/// An element: its name without prefix, its text, its children. Attributes are not read.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Element {
    pub(crate) name: String,
    pub(crate) text: String,
    pub(crate) children: Vec<Element>,
}

impl Element {
    pub(crate) fn children<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Element> {
        self.children.iter().filter(move |child| child.name.eq_ignore_ascii_case(name))
    }

    /// Every element of that name inside, in order, however deep; the limits of the reader bound it.
    pub(crate) fn all(&self, name: &str) -> Vec<&Element> {
        let mut found = Vec::new();
        for child in &self.children {
            if child.name.eq_ignore_ascii_case(name) {
                found.push(child);
            }
            found.extend(child.all(name));
        }
        found
    }
}

/// Reads a document written as base64. White space between its lines is nothing.
pub(crate) fn of_base64(text: &str, limits: XmlLimits) -> Result<Element, Refusal> {
    // Four characters for three bytes, and a line break after every 60 characters at worst.
    if text.len() > limits.bytes / 3 * 4 + limits.bytes / 30 + 8 {
        return Err(too_long(limits.bytes));
    }
    let dense: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let bytes = STANDARD.decode(dense).map_err(|_| Refusal::new("base64", "Không phải base64.", "Not base64."))?;
    if bytes.len() > limits.bytes {
        return Err(too_long(limits.bytes));
    }
    read(&bytes, limits)
}

/// Reads a document in UTF-8.
pub(crate) fn read(bytes: &[u8], limits: XmlLimits) -> Result<Element, Refusal> {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).map_err(|_| malformed("không phải UTF-8", "not UTF-8"))?;
    let mut reader = Reader::from_str(text);
    reader.config_mut().check_end_names = true;
    reader.config_mut().expand_empty_elements = true;
    let mut open: Vec<Element> = vec![Element::default()];
    let mut elements = 0;
    loop {
        let event = reader.read_event().map_err(|_| malformed("sai cú pháp", "malformed"))?;
        let Some(inner) = open.last_mut() else { return Err(malformed("sai cú pháp", "malformed")) };
        match event {
            Event::Start(start) => {
                elements += 1;
                if elements > limits.elements || open.len() > limits.depth {
                    return Err(malformed("quá nhiều hoặc quá sâu", "too many elements, or too deep"));
                }
                let name = start.local_name().into_inner().to_owned();
                open.push(Element { name, ..Element::default() });
            }
            Event::End(_) => {
                let closed = open.pop().unwrap_or_default();
                let Some(outer) = open.last_mut() else { return Err(malformed("sai cú pháp", "malformed")) };
                outer.children.push(closed);
            }
            Event::Text(text) => inner.text.push_str(&text.xml10_content()),
            Event::CData(data) => inner.text.push_str(&data),
            Event::GeneralRef(entity) => inner.text.push_str(&resolved(&entity)?),
            Event::Decl(_) | Event::Comment(_) => {}
            Event::DocType(_) => return Err(malformed("DOCTYPE không được phép", "DOCTYPE is not allowed")),
            Event::PI(_) => {
                return Err(malformed("chỉ thị xử lý không được phép", "processing instructions are not allowed"));
            }
            Event::Empty(_) => return Err(malformed("sai cú pháp", "malformed")),
            Event::Eof => break,
        }
    }
    let [document] = open.as_mut_slice() else {
        return Err(malformed("thiếu thẻ đóng", "an element is not closed"));
    };
    match document.children.pop() {
        Some(root) if document.children.is_empty() && document.text.trim().is_empty() => Ok(root),
        _ => Err(malformed("cần đúng một phần tử gốc", "exactly one root element is needed")),
    }
}

/// One of the five entities, or a character by its number.
fn resolved(entity: &quick_xml::events::BytesRef<'_>) -> Result<String, Refusal> {
    let no = || malformed("thực thể không được phép", "an entity that is not allowed");
    if entity.is_char_ref() {
        let found = entity.resolve_char_ref().map_err(|_| no())?;
        return found.map(String::from).ok_or_else(no);
    }
    resolve_xml_entity(entity).map(str::to_owned).ok_or_else(no)
}

pub(crate) fn too_long(bytes: usize) -> Refusal {
    Refusal::new("too_long", format!("Tối đa {bytes} byte XML."), format!("At most {bytes} bytes of XML."))
}

fn malformed(vi: &str, en: &str) -> Refusal {
    Refusal::new("xml", format!("XML: {vi}."), format!("XML: {en}."))
}
