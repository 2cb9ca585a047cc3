//! The functions by name, and how many arguments each takes.

/// A function.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Function {
    Abs,
    And,
    ArrayCompact,
    ArrayFlatten,
    ArrayJoin,
    ArrayUnique,
    Average,
    Blank,
    Ceiling,
    Concatenate,
    Count,
    CountA,
    CountAll,
    CreatedTime,
    DateAdd,
    DateStr,
    DatetimeDiff,
    DatetimeFormat,
    DatetimeParse,
    Day,
    EncodeUrlComponent,
    Error,
    Even,
    Exact,
    Exp,
    False,
    Find,
    Floor,
    Hour,
    If,
    Int,
    IsAfter,
    IsBefore,
    IsError,
    IsSame,
    LastModifiedTime,
    Left,
    Len,
    Log,
    Lower,
    Max,
    Mid,
    Min,
    Minute,
    Mod,
    Month,
    Not,
    Now,
    Odd,
    Or,
    Power,
    RecordId,
    Replace,
    Rept,
    Right,
    Round,
    RoundDown,
    RoundUp,
    Search,
    Second,
    Sqrt,
    Substitute,
    Sum,
    Switch,
    T,
    TimeStr,
    Today,
    Trim,
    True,
    Upper,
    Value,
    Weekday,
    Xor,
    Year,
}

/// What a function is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum About {
    Logic,
    Texts,
    Numbers,
    Dates,
}

/// As many as anybody writes.
const ANY: usize = usize::MAX;

/// Name, function, what it is about, how many arguments at least and at most.
const TABLE: &[(&str, Function, About, usize, usize)] = {
    use About::{Dates, Logic, Numbers, Texts};
    use Function as F;
    &[
        ("ABS", F::Abs, Numbers, 1, 1),
        ("AND", F::And, Logic, 1, ANY),
        ("ARRAYCOMPACT", F::ArrayCompact, Texts, 1, ANY),
        ("ARRAYFLATTEN", F::ArrayFlatten, Texts, 1, ANY),
        ("ARRAYJOIN", F::ArrayJoin, Texts, 1, 2),
        ("ARRAYUNIQUE", F::ArrayUnique, Texts, 1, ANY),
        ("AVERAGE", F::Average, Numbers, 1, ANY),
        ("BLANK", F::Blank, Logic, 0, 0),
        ("CEILING", F::Ceiling, Numbers, 1, 2),
        ("CONCATENATE", F::Concatenate, Texts, 1, ANY),
        ("COUNT", F::Count, Numbers, 1, ANY),
        ("COUNTA", F::CountA, Numbers, 1, ANY),
        ("COUNTALL", F::CountAll, Numbers, 1, ANY),
        ("CREATED_TIME", F::CreatedTime, Logic, 0, 0),
        ("DATEADD", F::DateAdd, Dates, 3, 3),
        ("DATESTR", F::DateStr, Dates, 1, 1),
        ("DATETIME_DIFF", F::DatetimeDiff, Dates, 2, 3),
        ("DATETIME_FORMAT", F::DatetimeFormat, Dates, 1, 2),
        ("DATETIME_PARSE", F::DatetimeParse, Dates, 1, 3),
        ("DAY", F::Day, Dates, 1, 1),
        ("ENCODE_URL_COMPONENT", F::EncodeUrlComponent, Texts, 1, 1),
        ("ERROR", F::Error, Logic, 0, 0),
        ("EVEN", F::Even, Numbers, 1, 1),
        ("EXACT", F::Exact, Texts, 2, 2),
        ("EXP", F::Exp, Numbers, 1, 1),
        ("FALSE", F::False, Logic, 0, 0),
        ("FIND", F::Find, Texts, 2, 3),
        ("FLOOR", F::Floor, Numbers, 1, 2),
        ("HOUR", F::Hour, Dates, 1, 1),
        ("IF", F::If, Logic, 2, 3),
        ("INT", F::Int, Numbers, 1, 1),
        ("IS_AFTER", F::IsAfter, Dates, 2, 3),
        ("IS_BEFORE", F::IsBefore, Dates, 2, 3),
        ("IS_SAME", F::IsSame, Dates, 2, 3),
        ("ISERROR", F::IsError, Logic, 1, 1),
        ("LAST_MODIFIED_TIME", F::LastModifiedTime, Logic, 0, ANY),
        ("LEFT", F::Left, Texts, 1, 2),
        ("LEN", F::Len, Texts, 1, 1),
        ("LOG", F::Log, Numbers, 1, 2),
        ("LOWER", F::Lower, Texts, 1, 1),
        ("MAX", F::Max, Numbers, 1, ANY),
        ("MID", F::Mid, Texts, 3, 3),
        ("MIN", F::Min, Numbers, 1, ANY),
        ("MINUTE", F::Minute, Dates, 1, 1),
        ("MOD", F::Mod, Numbers, 2, 2),
        ("MONTH", F::Month, Dates, 1, 1),
        ("NOT", F::Not, Logic, 1, 1),
        ("NOW", F::Now, Logic, 0, 0),
        ("ODD", F::Odd, Numbers, 1, 1),
        ("OR", F::Or, Logic, 1, ANY),
        ("POWER", F::Power, Numbers, 2, 2),
        ("RECORD_ID", F::RecordId, Logic, 0, 0),
        ("REPLACE", F::Replace, Texts, 4, 4),
        ("REPT", F::Rept, Texts, 2, 2),
        ("RIGHT", F::Right, Texts, 1, 2),
        ("ROUND", F::Round, Numbers, 1, 2),
        ("ROUNDDOWN", F::RoundDown, Numbers, 1, 2),
        ("ROUNDUP", F::RoundUp, Numbers, 1, 2),
        ("SEARCH", F::Search, Texts, 2, 3),
        ("SECOND", F::Second, Dates, 1, 1),
        ("SQRT", F::Sqrt, Numbers, 1, 1),
        ("SUBSTITUTE", F::Substitute, Texts, 3, 4),
        ("SUM", F::Sum, Numbers, 1, ANY),
        ("SWITCH", F::Switch, Logic, 3, ANY),
        ("T", F::T, Texts, 1, 1),
        ("TIMESTR", F::TimeStr, Dates, 1, 1),
        ("TODAY", F::Today, Logic, 0, 0),
        ("TRIM", F::Trim, Texts, 1, 1),
        ("TRUE", F::True, Logic, 0, 0),
        ("UPPER", F::Upper, Texts, 1, 1),
        ("VALUE", F::Value, Numbers, 1, 1),
        ("WEEKDAY", F::Weekday, Dates, 1, 2),
        ("XOR", F::Xor, Logic, 1, ANY),
        ("YEAR", F::Year, Dates, 1, 1),
    ]
};

impl Function {
    /// The function of this name; case does not matter.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let found = TABLE.iter().find(|(known, ..)| known.eq_ignore_ascii_case(name));
        found.map(|(_, function, ..)| *function)
    }

    /// Whether it can be called with that many arguments.
    pub(crate) fn takes(self, arguments: usize) -> bool {
        TABLE
            .iter()
            .any(|(_, function, _, least, most)| *function == self && (*least..=*most).contains(&arguments))
    }

    pub(crate) fn is_about_dates(self) -> bool {
        self.about(About::Dates)
    }

    pub(crate) fn is_about_numbers(self) -> bool {
        self.about(About::Numbers)
    }

    fn about(self, about: About) -> bool {
        TABLE
            .iter()
            .any(|(_, function, found, ..)| *function == self && *found == about)
    }
}
