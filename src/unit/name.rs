//! Names of units: `PREFIX.socket`, `PREFIX@INSTANCE.socket`, and the template `PREFIX@.socket`. systemd.unit(5)
#![forbid(unsafe_code)]

/// The end of every name.
pub const SUFFIX: &str = ".socket";

/// The longest name in bytes: UNIT_NAME_MAX of systemd, less its NUL.
const LONGEST: usize = 255;

/// The name of a .socket unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// What is before `@`, or before the suffix.
    pub prefix: String,
    /// What is after `@`: empty for a template, none for a unit that has no instances.
    pub instance: Option<String>,
}

impl Name {
    /// Reads a name; `None` where it is none.
    pub fn parse(text: &str) -> Option<Name> {
        let stem = text.strip_suffix(SUFFIX)?;
        let legal = |b: u8| b.is_ascii_alphanumeric() || b":-_.\\@".contains(&b);
        if text.len() > LONGEST || !stem.bytes().all(legal) {
            return None;
        }
        let (prefix, instance) = match stem.split_once('@') {
            Some((prefix, instance)) => (prefix, Some(instance.to_owned())),
            None => (stem, None),
        };
        (!prefix.is_empty()).then(|| Name {
            prefix: prefix.to_owned(),
            instance,
        })
    }

    /// The whole name.
    pub fn full(&self) -> String {
        format!("{}{SUFFIX}", self.stem())
    }

    /// The name without its suffix.
    pub fn stem(&self) -> String {
        let instance = self.instance.as_ref();
        let instance = instance.map_or(String::new(), |instance| format!("@{instance}"));
        format!("{}{instance}", self.prefix)
    }

    /// Whether it is a template, which cannot be bound.
    pub fn is_template(&self) -> bool {
        self.instance.as_deref() == Some("")
    }

    /// The template that an instance is made from.
    pub fn template(&self) -> Option<Name> {
        let instance = self.instance.as_ref().filter(|of| !of.is_empty());
        instance.map(|_| Name {
            prefix: self.prefix.clone(),
            instance: Some(String::new()),
        })
    }

    /// This name with the instance of `other`, if this is a template.
    pub fn with_instance_of(self, other: &Name) -> Name {
        let instance = if self.is_template() {
            other.instance.clone()
        } else {
            self.instance
        };
        Name { instance, ..self }
    }

    /// The names whose `.d` directories hold drop-ins, the most specific first: the unit's, its template's, and those of
    /// each `PREFIX-` that the name begins with.
    pub fn drop_ins(&self) -> Vec<Name> {
        let mut names = vec![self.clone()];
        if let Some(template) = self.template() {
            names.extend(template.drop_ins());
        }
        let shorter = self.prefix.strip_suffix('-').unwrap_or(&self.prefix);
        if let Some(dash) = shorter.rfind('-') {
            // the prefix of a template is no template
            let prefix = Name {
                prefix: shorter[..=dash].to_owned(),
                instance: self.instance.clone().filter(|of| !of.is_empty()),
            };
            names.extend(prefix.drop_ins());
        }
        names
    }
}

/// Undoes systemd-escape(1): `-` is a slash, `\xNN` a byte. `None` where that is no text.
pub fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    loop {
        rest = match rest {
            [] => return String::from_utf8(bytes).ok(),
            [b'-', rest @ ..] => {
                bytes.push(b'/');
                rest
            }
            [b'\\', b'x', high, low, rest @ ..] => {
                let digit = |b: &u8| char::from(*b).to_digit(16);
                bytes.push((digit(high)? << 4 | digit(low)?) as u8);
                rest
            }
            [b'\\', ..] => return None,
            [byte, rest @ ..] => {
                bytes.push(*byte);
                rest
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_a_prefix_and_perhaps_an_instance() {
        let parts = |text| Name::parse(text).map(|name| (name.prefix, name.instance));
        let some = |prefix: &str, instance: Option<&str>| {
            Some((prefix.to_owned(), instance.map(str::to_owned)))
        };
        assert_eq!(parts("a.socket"), some("a", None));
        assert_eq!(parts("a-b@.socket"), some("a-b", Some("")));
        assert_eq!(parts("a@i@j.socket"), some("a", Some("i@j")));
        for bad in [
            "a",
            ".socket",
            "@i.socket",
            "a b.socket",
            "a.service",
            "ü.socket",
        ] {
            assert_eq!(parts(bad), None, "{bad}");
        }
    }

    #[test]
    fn drop_ins_are_found_by_every_prefix_in_the_order_that_systemd_252_has() {
        let names = |text| -> Vec<String> {
            let names = Name::parse(text).unwrap().drop_ins();
            names.iter().map(Name::full).collect()
        };
        assert_eq!(
            names("foo-bar@i.socket"),
            [
                "foo-bar@i.socket",
                "foo-bar@.socket",
                "foo-.socket",
                "foo-@i.socket",
                "foo-@.socket"
            ]
        );
        assert_eq!(
            names("a-b-c.socket"),
            ["a-b-c.socket", "a-b-.socket", "a-.socket"]
        );
    }

    #[test]
    fn escapes_are_undone() {
        assert_eq!(unescape("a-b\\x2dc\\xc3\\xbc").as_deref(), Some("a/b-cü"));
        for bad in ["\\", "\\x2", "\\xzz", "\\xff", "\\y00"] {
            assert_eq!(unescape(bad), None, "{bad}");
        }
    }
}
