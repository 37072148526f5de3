//! The members of one object of a message: read leniently, each mistake kept with its place, and what nobody has asked for
//! left over.

use std::cell::RefCell;

use lienthong_domain::catalogue::{MOST_ITEMS, Published};
use lienthong_domain::invalid::{InvalidFields, Refusal};
use lienthong_domain::personal::Personal;
use lienthong_domain::scalar::Scalar;
use lienthong_domain::text::Text;
use serde_json::{Map, Value};

use crate::reply::{is_absent, text};

pub(crate) struct Fields<'a> {
    pub(crate) data: &'a Value,
    place: String,
    wrong: RefCell<InvalidFields>,
    asked: RefCell<Vec<&'a str>>,
    /// What was left of members that were read themselves.
    left: RefCell<Map<String, Value>>,
}

impl<'a> Fields<'a> {
    /// `place`: JSON pointer of the object.
    pub(crate) fn new(data: &'a Value, place: String) -> Self {
        let (wrong, asked, left) = (RefCell::default(), RefCell::default(), RefCell::default());
        Self { data, place, wrong, asked, left }
    }

    /// The first of these members that says something, as it is spelt there. The very spelling comes before others.
    fn find(&self, names: &[&str]) -> Option<(&'a str, &'a Value)> {
        let said = || self.data.as_object().into_iter().flatten().filter(|(_, value)| !is_absent(value));
        let found = names.iter().find_map(|name| {
            let exact = said().find(|(key, _)| key == name);
            exact.or_else(|| said().find(|(key, _)| key.eq_ignore_ascii_case(name)))
        });
        found.map(|(key, value)| (key.as_str(), value))
    }

    /// A member that is not passed on any more.
    pub(crate) fn take(&self, names: &[&str]) -> Option<&'a Value> {
        let (key, value) = self.find(names)?;
        self.asked.borrow_mut().push(key);
        Some(value)
    }

    /// How a member is spelt there; if it is not, as the reference spells it.
    fn spelt<'n>(&self, names: &[&'n str]) -> &'n str
    where
        'a: 'n,
    {
        self.find(names).map_or(names[0], |(key, _)| key)
    }

    pub(crate) fn place_of(&self, names: &[&str]) -> String {
        format!("{}/{}", self.place, self.spelt(names))
    }

    /// A member that is an object itself; one without members if it is not there.
    pub(crate) fn inside(&self, names: &[&str]) -> Fields<'a> {
        let value = self.take(names).filter(|value| {
            let is_object = value.is_object();
            if !is_object {
                self.refuse(names, shape("một đối tượng", "an object"));
            }
            is_object
        });
        Fields::new(value.unwrap_or(&Value::Null), self.place_of(names))
    }

    /// The objects of a list, at most so many. A bridge between XML and JSON makes one object of a list of one.
    pub(crate) fn each(&self, names: &[&str], most: usize) -> Vec<Fields<'a>> {
        let Some(value) = self.take(names) else { return Vec::new() };
        let items = match value {
            Value::Array(items) => items.as_slice(),
            Value::Object(_) => std::slice::from_ref(value),
            _ => {
                self.refuse(names, shape("một danh sách", "a list"));
                return Vec::new();
            }
        };
        if items.len() > most {
            self.refuse(names, too_many(items.len(), most));
            return Vec::new();
        }
        let list = self.place_of(names);
        let place = |n: usize| format!("{list}/{n}");
        let items: Vec<_> = items.iter().enumerate().map(|(n, item)| Fields::new(item, place(n))).collect();
        for (n, item) in items.iter().enumerate().filter(|(_, item)| !item.data.is_object()) {
            item.wrong.borrow_mut().push(place(n), shape("một đối tượng", "an object"));
        }
        items
    }

    /// Passes on, under the name of a member, what was left of it.
    pub(crate) fn pass_on(&self, names: &[&str], left: Value) {
        if !is_absent(&left) {
            self.left.borrow_mut().insert(self.spelt(names).to_owned(), left);
        }
    }

    fn refuse(&self, names: &[&str], refusal: Refusal) {
        self.wrong.borrow_mut().push(self.place_of(names), refusal);
    }

    /// The objects of a list that stands by itself.
    pub(crate) fn of_list(list: &'a Value, place: &str) -> Vec<Fields<'a>> {
        let items = list.as_array().into_iter().flatten().enumerate();
        items.map(|(n, item)| Fields::new(item, format!("/{place}/{n}"))).collect()
    }

    /// What each object of a list is read as; their mistakes are taken over.
    pub(crate) fn map<T>(&self, names: &[&str], mut read: impl FnMut(&Fields<'a>) -> Option<T>) -> Vec<T> {
        let items = self.each(names, MOST_ITEMS);
        let mut all = Vec::with_capacity(items.len());
        for item in items {
            all.extend(read(&item));
            self.include(item);
        }
        all
    }

    /// A text of the catalogue. Some were written in a word processor: its control characters become blanks.
    pub(crate) fn published(&self, names: &[&str]) -> Option<Published> {
        let text = self.text(names)?;
        let is_kept = |c: char| !c.is_control() || matches!(c, '\t' | '\n' | '\r');
        let text: String = text.chars().map(|c| if is_kept(c) { c } else { ' ' }).collect();
        if text.trim().is_empty() {
            return None;
        }
        self.read(names, Published::parse(&text))
    }

    /// Takes over what was wrong inside.
    pub(crate) fn include(&self, inside: Fields<'_>) {
        self.wrong.borrow_mut().append(inside.into_wrong());
    }

    pub(crate) fn text(&self, names: &[&str]) -> Option<String> {
        self.take(names)?;
        self.glance(names)
    }

    /// A text that is read and passed on all the same.
    pub(crate) fn glance(&self, names: &[&str]) -> Option<String> {
        let (_, value) = self.find(names)?;
        let text = text(value);
        if text.is_none() {
            self.refuse(names, shape("một văn bản", "a text"));
        }
        text
    }

    /// What was read of a member, or its mistake kept.
    pub(crate) fn read<T>(&self, names: &[&str], read: Result<T, Refusal>) -> Option<T> {
        read.map_err(|refusal| self.refuse(names, refusal)).ok()
    }

    pub(crate) fn scalar<T: Scalar>(&self, names: &[&str]) -> Option<T> {
        let text = self.text(names)?;
        self.read(names, T::parse(&text))
    }

    pub(crate) fn needed_text(&self, names: &[&str]) -> Option<String> {
        if self.find(names).is_none() {
            self.refuse(names, required());
        }
        self.text(names)
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
        let members = self.data.as_object().into_iter().flatten();
        let left = members.filter(|(name, _)| !asked.contains(&name.as_str()));
        let members = left.map(|(name, value)| (name.clone(), value.clone()));
        members.chain(self.left.borrow().clone()).collect()
    }

    pub(crate) fn into_wrong(self) -> InvalidFields {
        self.wrong.into_inner()
    }
}

pub(crate) fn required() -> Refusal {
    Refusal::new("required", "Thiếu.", "Missing.")
}

pub(crate) fn shape(vi: &str, en: &str) -> Refusal {
    Refusal::new("type", format!("Cần {vi}."), format!("It must be {en}."))
}

pub(crate) fn too_many(items: usize, most: usize) -> Refusal {
    Refusal::new(
        "too_many",
        format!("Có {items} mục, tối đa {most}."),
        format!("{items} items, at most {most} are allowed."),
    )
}
