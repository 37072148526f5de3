//! The members of one object of a message: read leniently, each mistake kept with its place, and what nobody has asked for
//! left over.

use std::cell::RefCell;

use lienthong_domain::invalid::{InvalidFields, Refusal};
use lienthong_domain::personal::Personal;
use lienthong_domain::scalar::Scalar;
use lienthong_domain::text::Text;
use serde_json::{Map, Value};

use crate::reply::{member, text};

pub(crate) struct Fields<'a> {
    pub(crate) data: &'a Value,
    place: String,
    wrong: RefCell<InvalidFields>,
    asked: RefCell<Vec<String>>,
}

impl<'a> Fields<'a> {
    /// `place`: JSON pointer of the object.
    pub(crate) fn new(data: &'a Value, place: String) -> Self {
        Self { data, place, wrong: RefCell::default(), asked: RefCell::default() }
    }

    /// A member that is an object itself; one without members if it is not there.
    pub(crate) fn inside(&self, names: &[&str]) -> Fields<'a> {
        self.asked(names);
        Fields::new(member(self.data, names).unwrap_or(&Value::Null), format!("{}/{}", self.place, names[0]))
    }

    /// The objects of a list.
    pub(crate) fn each(&self, names: &[&str]) -> Vec<Fields<'a>> {
        self.asked(names);
        let items = member(self.data, names).and_then(Value::as_array).into_iter().flatten();
        let place = |n: usize| format!("{}/{}/{n}", self.place, names[0]);
        items.enumerate().map(|(n, item)| Fields::new(item, place(n))).collect()
    }

    /// Takes over what was wrong inside.
    pub(crate) fn include(&self, inside: Fields<'_>) {
        self.wrong.borrow_mut().append(inside.into_wrong());
    }

    pub(crate) fn text(&self, names: &[&str]) -> Option<String> {
        self.asked(names);
        member(self.data, names).and_then(text)
    }

    /// What was read of a member, or its mistake kept.
    pub(crate) fn read<T>(&self, names: &[&str], read: Result<T, Refusal>) -> Option<T> {
        read.map_err(|refusal| self.wrong.borrow_mut().push(format!("{}/{}", self.place, names[0]), refusal)).ok()
    }

    pub(crate) fn scalar<T: Scalar>(&self, names: &[&str]) -> Option<T> {
        let text = self.text(names)?;
        self.read(names, T::parse(&text))
    }

    pub(crate) fn needed_text(&self, names: &[&str]) -> Option<String> {
        let text = self.text(names);
        self.read(names, text.ok_or_else(|| Refusal::new("required", "Thiếu.", "Missing.")))
    }

    pub(crate) fn needed<T: Scalar>(&self, names: &[&str]) -> Option<T> {
        let text = self.needed_text(names)?;
        self.read(names, T::parse(&text))
    }

    pub(crate) fn personal(&self, names: &[&str]) -> Option<Personal<Text<1, 500>>> {
        self.scalar(names).map(Personal::new)
    }

    /// What nobody has asked for, as it is.
    pub(crate) fn rest(&self) -> Map<String, Value> {
        let asked = self.asked.borrow();
        let is_left = |name: &str| !asked.iter().any(|asked| asked.eq_ignore_ascii_case(name));
        let members = self.data.as_object().into_iter().flatten();
        members.filter(|(name, _)| is_left(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    pub(crate) fn into_wrong(self) -> InvalidFields {
        self.wrong.into_inner()
    }

    fn asked(&self, names: &[&str]) {
        self.asked.borrow_mut().extend(names.iter().map(|name| (*name).to_owned()));
    }
}
