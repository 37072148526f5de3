//! The index: one line of folded words an entry, gone through from the first to the last. At the size of the whole catalogue that
//! is faster than anything that would have to be explained.

use std::ops::Range;

use super::Query;
use super::fold::{Word, without_heading, words};

/// What can be found.
#[derive(Debug, Clone)]
pub struct Searchable<'a, K> {
    pub key: K,
    pub code: &'a str,
    pub name: &'a str,
    /// What it is found by, too: its fields, keywords.
    pub others: Vec<&'a str>,
}

/// All entries, ready to be searched.
#[derive(Debug)]
pub struct Index<K> {
    entries: Vec<Entry<K>>,
    /// The folded words of all entries, each after a blank.
    lines: String,
    /// Words of names with their letters' own marks.
    letters: String,
    /// Of all names, in order.
    words: Vec<NameWord>,
}

/// A word of a name, by its places.
#[derive(Debug)]
struct NameWord {
    /// Its first byte: most words are told from another by it.
    first: u8,
    folded: Range<u32>,
    letters: Range<u32>,
    tone: Option<char>,
}

#[derive(Debug)]
struct Entry<K> {
    key: K,
    code: String,
    /// Its place in the order of the codes.
    order: u32,
    line: Range<u32>,
    /// Of the words of its name.
    name: Range<u32>,
}

/// How well an entry fits; the least is the best.
#[derive(Debug, Clone, Copy)]
struct Rank {
    class: Class,
    /// Words that were typed with diacritics and stand there with others.
    other_marks: usize,
    /// Words that stand there only as the beginning of another.
    beginnings: usize,
    /// Of its name, in words.
    length: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    Code,
    BeginningOfCode,
    Name,
    BeginningOfName,
    /// The words stand in the name, one after the other.
    Phrase,
    AllInName,
    Elsewhere,
}

impl Rank {
    /// One number, in the same order.
    fn packed(self) -> u64 {
        let bits = |count: usize, most: u64| (count as u64).min(most);
        let counts = bits(self.other_marks, 0xff) << 32 | bits(self.beginnings, 0xff) << 24;
        (self.class as u64) << 40 | counts | bits(self.length, 0xff_ffff)
    }
}

impl<K: Copy> Index<K> {
    pub fn new<'a>(all: impl IntoIterator<Item = Searchable<'a, K>>) -> Self {
        let mut index = Self { entries: Vec::new(), lines: String::new(), letters: String::new(), words: Vec::new() };
        for Searchable { key, code, name, others } in all {
            let (line, words_before) = (end(&index.lines), index.words.len());
            let (all, own) = (words(name).collect::<Vec<_>>(), without_heading(words(name).collect()));
            let heading = &all[..all.len() - own.len()];
            for word in heading {
                index.write(&word.folded);
            }
            for word in own {
                let folded = index.write(&word.folded);
                let letters = end(&index.letters);
                index.letters.push_str(&word.letters);
                let first = word.folded.bytes().next().unwrap_or_default();
                index.words.push(NameWord { first, folded, letters: letters..end(&index.letters), tone: word.tone });
            }
            for word in others.into_iter().flat_map(words).chain(words(code)) {
                index.write(&word.folded);
            }
            let name = words_before as u32..index.words.len() as u32;
            let line = line..end(&index.lines);
            index.entries.push(Entry { key, code: code.to_lowercase(), order: 0, line, name });
        }
        let mut by_code: Vec<usize> = (0..index.entries.len()).collect();
        by_code.sort_by(|one, other| index.entries[*one].code.cmp(&index.entries[*other].code));
        for (order, place) in by_code.into_iter().enumerate() {
            index.entries[place].order = order as u32;
        }
        index
    }

    fn write(&mut self, word: &str) -> Range<u32> {
        self.lines.push(' ');
        let begin = end(&self.lines);
        self.lines.push_str(word);
        begin..end(&self.lines)
    }

    /// The keys of all entries that hold every word of the query, or a word that begins with it; the best first.
    pub fn search(&self, query: &Query, may_be: impl Fn(K) -> bool) -> Vec<K> {
        let wanted: Vec<String> = query.words.iter().map(|word| format!(" {}", word.folded)).collect();
        let holds_all = |entry: &&Entry<K>| {
            let line = part(&self.lines, &entry.line);
            wanted.iter().all(|word| line.contains(word.as_str()))
        };
        let found = self.entries.iter().filter(holds_all).filter(|entry| may_be(entry.key));
        let mut ranked: Vec<_> =
            found.map(|entry| (self.rank(entry, query).packed(), entry.order, entry.key)).collect();
        ranked.sort_unstable_by_key(|(rank, order, _)| (*rank, *order));
        ranked.into_iter().map(|(_, _, key)| key).collect()
    }

    fn rank(&self, entry: &Entry<K>, query: &Query) -> Rank {
        let name = &self.words[entry.name.start as usize..entry.name.end as usize];
        let matches: Vec<Option<Match>> = query.words.iter().map(|wanted| self.best_match(name, wanted)).collect();
        let class = self.class(entry, name, query, matches.iter().all(Option::is_some));
        if class <= Class::BeginningOfCode {
            // In the order of the codes.
            return Rank { class, other_marks: 0, beginnings: 0, length: 0 };
        }
        let count = |is: fn(&Match) -> bool| matches.iter().flatten().filter(|found| is(found)).count();
        let (other_marks, beginnings) = (count(|found| found.has_other_marks), count(|found| found.is_beginning));
        Rank { class, other_marks, beginnings, length: name.len() }
    }

    fn class(&self, entry: &Entry<K>, name: &[NameWord], query: &Query, all_in_name: bool) -> Class {
        let folded = |word: &NameWord| part(&self.lines, &word.folded);
        let begins = |word: &NameWord, wanted: &Word| {
            Some(word.first) == wanted.folded.bytes().next() && folded(word).starts_with(&wanted.folded)
        };
        let begins_at = |at: usize| {
            let here = name.get(at..at + query.words.len());
            here.is_some_and(|here| here.iter().zip(&query.words).all(|(word, wanted)| begins(word, wanted)))
        };
        let is_whole = || name.iter().zip(&query.words).all(|(word, wanted)| folded(word) == wanted.folded);
        if entry.code == query.text {
            Class::Code
        } else if entry.code.starts_with(&query.text) {
            Class::BeginningOfCode
        } else if begins_at(0) {
            if name.len() == query.words.len() && is_whole() { Class::Name } else { Class::BeginningOfName }
        } else if (1..name.len()).any(begins_at) {
            Class::Phrase
        } else if all_in_name {
            Class::AllInName
        } else {
            Class::Elsewhere
        }
    }

    /// The word of the name that fits best.
    fn best_match(&self, name: &[NameWord], wanted: &Word) -> Option<Match> {
        let fit = |word: &NameWord| {
            let (folded, letters) = (part(&self.lines, &word.folded), part(&self.letters, &word.letters));
            // The tone is typed last: a word that is not there to its end may have none yet.
            let is_unfinished = folded != wanted.folded;
            let has_same_tone = wanted.tone == word.tone || (wanted.tone.is_none() && is_unfinished);
            let has_same_marks = letters.starts_with(&wanted.letters) && has_same_tone;
            folded
                .starts_with(&wanted.folded)
                .then(|| Match { has_other_marks: wanted.has_marks() && !has_same_marks, is_beginning: is_unfinished })
        };
        let first = wanted.folded.bytes().next();
        name.iter().filter(|word| Some(word.first) == first).filter_map(fit).min()
    }
}

fn end(text: &str) -> u32 {
    // The catalogue is a few megabytes.
    u32::try_from(text.len()).unwrap_or(u32::MAX)
}

fn part<'a>(text: &'a str, place: &Range<u32>) -> &'a str {
    text.get(place.start as usize..place.end as usize).unwrap_or_default()
}

/// Of a word of the query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Match {
    has_other_marks: bool,
    is_beginning: bool,
}
