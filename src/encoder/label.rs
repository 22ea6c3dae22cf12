//! Labels: what a field says, and what that means once it is known how this stream writes its labels.
//!
//! [`LabelRule`] looks at one field and remembers nothing. [`LabelGuard`] sees the tokens in order, settles how the
//! stream writes its labels by the first that tell, and refuses a stream that mixes two ways.

use crate::error::{Error, Result};
use crate::examples::LabelToken;
use crate::snapshot::{Restoring, Saving, Snapshot};

/// How a label field is read.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LabelRule {
    /// 0/1, -1/+1 or true/false.
    Inferred,
    /// This text is the positive class, any other the negative one.
    Positive(String),
}

impl LabelRule {
    /// The token in a field; `None` where it is no label at all.
    ///
    /// ```
    /// use tidemill::{encoder::label::LabelRule, examples::LabelToken};
    /// assert_eq!(LabelRule::Inferred.token(b"1.0"), Some(LabelToken::One));
    /// assert_eq!(LabelRule::Inferred.token(b"maybe"), None);
    /// assert_eq!(LabelRule::Positive("spam".into()).token(b"ham"), Some(LabelToken::False));
    /// ```
    #[inline(always)]
    pub fn token(&self, field: &[u8]) -> Option<LabelToken> {
        match (self, field) {
            (Self::Inferred, b"1") => Some(LabelToken::One),
            (Self::Inferred, b"0") => Some(LabelToken::Zero),
            (_, b"") => Some(LabelToken::Missing),
            (Self::Positive(positive), _) => match field.trim_ascii() {
                b"" => Some(LabelToken::Missing),
                text if text == positive.trim().as_bytes() => Some(LabelToken::True),
                _ => Some(LabelToken::False),
            },
            (Self::Inferred, _) => written_out(field.trim_ascii()),
        }
    }
}

/// The rarer ways to write a label.
fn written_out(field: &[u8]) -> Option<LabelToken> {
    match field {
        b"" => return Some(LabelToken::Missing),
        b"true" | b"True" | b"TRUE" => return Some(LabelToken::True),
        b"false" | b"False" | b"FALSE" => return Some(LabelToken::False),
        _ => {}
    }
    let value: f64 = std::str::from_utf8(field).ok()?.parse().ok()?;
    match value {
        1.0 => Some(LabelToken::One),
        0.0 => Some(LabelToken::Zero),
        -1.0 => Some(LabelToken::MinusOne),
        _ => None,
    }
}

/// Keeps a stream to one way of writing its labels.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LabelGuard {
    negative: Option<LabelToken>,
    one_at: Option<u64>,
    settled_at: u64,
}

impl LabelGuard {
    /// 1, 0, or NaN for no label.
    ///
    /// # Errors
    /// A label that does not fit the ones before it; `record` says where.
    #[inline(always)]
    pub fn resolve(&mut self, token: LabelToken, record: u64) -> Result<f32> {
        match token {
            LabelToken::Missing => Ok(f32::NAN),
            LabelToken::One => {
                self.one_at.get_or_insert(record);
                if self.negative == Some(LabelToken::False) { self.mixed(token, record) } else { Ok(1.0) }
            }
            LabelToken::Zero | LabelToken::MinusOne => self.negative(token, record),
            LabelToken::True => self.word(1.0, token, record),
            LabelToken::False => self.word(0.0, token, record),
        }
    }

    fn negative(&mut self, token: LabelToken, record: u64) -> Result<f32> {
        if self.negative.is_none() {
            (self.negative, self.settled_at) = (Some(token), record);
        }
        if self.negative == Some(token) { Ok(0.0) } else { self.mixed(token, record) }
    }

    fn word(&mut self, label: f32, token: LabelToken, record: u64) -> Result<f32> {
        if self.negative.is_none() && self.one_at.is_none() {
            (self.negative, self.settled_at) = (Some(LabelToken::False), record);
        }
        if self.negative == Some(LabelToken::False) { Ok(label) } else { self.mixed(token, record) }
    }

    #[cold]
    fn mixed(&self, token: LabelToken, record: u64) -> Result<f32> {
        let (before, at) = match (self.negative, self.one_at) {
            (Some(negative), _) => (style(negative), self.settled_at),
            (None, at) => ("0/1 or -1/+1", at.unwrap_or(0)),
        };
        let now = if token == LabelToken::One { "0/1 or -1/+1" } else { style(token) };
        Err(Error::input(format!(
            "the label column mixes two ways of writing labels: {before} at record {at}, {now} at record {record}; \
             name the positive class with --positive VALUE, or mend the input",
        )))
    }
}

fn style(token: LabelToken) -> &'static str {
    match token {
        LabelToken::MinusOne => "-1/+1",
        LabelToken::True | LabelToken::False => "true/false",
        _ => "0/1",
    }
}

impl Snapshot for LabelGuard {
    const PART: &'static str = "labels";

    fn save(&self, to: &mut Saving<'_>) {
        let Self { negative, one_at, settled_at } = *self;
        let negative = NEGATIVES.iter().position(|&known| known == negative).unwrap_or(0);
        to.put("settled", &[negative as u64, one_at.unwrap_or(0), settled_at]);
    }

    fn restore(&mut self, from: &Restoring<'_>) -> Result<()> {
        let Self { negative, one_at, settled_at } = self;
        let [place, first, settled] = from.numbers::<u64, 3>("settled")?;
        *negative = *NEGATIVES.get(place as usize).ok_or_else(|| from.broken("settled"))?;
        *one_at = (first > 0).then_some(first); // records are numbered from 1
        *settled_at = settled;
        Ok(())
    }
}

/// The ways to write a negative label, by their numbers in a checkpoint.
const NEGATIVES: [Option<LabelToken>; 4] =
    [None, Some(LabelToken::Zero), Some(LabelToken::MinusOne), Some(LabelToken::False)];

#[cfg(test)]
mod tests {
    use super::*;
    use LabelToken::*;

    fn resolve_all(tokens: &[LabelToken]) -> Result<Vec<f32>> {
        let mut guard = LabelGuard::default();
        tokens.iter().zip(1..).map(|(&token, record)| guard.resolve(token, record)).collect()
    }

    #[test]
    fn each_way_of_writing_labels_is_understood() {
        assert_eq!(resolve_all(&[One, Zero, One]).unwrap(), [1.0, 0.0, 1.0]);
        assert_eq!(resolve_all(&[One, MinusOne]).unwrap(), [1.0, 0.0]);
        assert_eq!(resolve_all(&[False, True]).unwrap(), [0.0, 1.0]);
        assert!(resolve_all(&[Missing]).unwrap()[0].is_nan());
        for rule in [LabelRule::Inferred, LabelRule::Positive("yes".into())] {
            assert_eq!((rule.token(b""), rule.token(b" ")), (Some(Missing), Some(Missing)));
        }
    }

    #[test]
    fn a_mix_is_refused_with_both_places() {
        for mix in [[Zero, MinusOne], [Zero, True], [One, False], [True, One], [MinusOne, Zero], [False, Zero]] {
            let error = resolve_all(&mix).unwrap_err().to_string();
            assert!(error.contains("record 1") && error.contains("record 2"), "{mix:?}: {error}");
        }
    }
}
