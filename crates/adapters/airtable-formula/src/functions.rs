//! The functions by name, and how many arguments each takes.

/// What a function is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum About {
    Logic,
    Texts,
    Numbers,
    Dates,
}

/// What is to be known of a function.
struct Known {
    function: Function,
    name: &'static str,
    about: About,
    /// How many arguments it takes at least.
    least: usize,
    /// And at most.
    most: usize,
}

/// As many as anybody writes.
const ANY: usize = usize::MAX;

macro_rules! functions {
    ($($function:ident $name:literal $about:ident $least:literal..$most:tt;)*) => {
        /// A function.
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        pub(crate) enum Function {
            $($function,)*
        }

        const TABLE: &[Known] = &[$(Known {
            function: Function::$function,
            name: $name,
            about: About::$about,
            least: $least,
            most: $most,
        },)*];
    };
}

// What it is called, what it is about, and how many arguments it takes, at least and at most.
functions! {
    Abs "ABS" Numbers 1..1;
    And "AND" Logic 1..ANY;
    ArrayCompact "ARRAYCOMPACT" Texts 1..ANY;
    ArrayFlatten "ARRAYFLATTEN" Texts 1..ANY;
    ArrayJoin "ARRAYJOIN" Texts 1..2;
    ArrayUnique "ARRAYUNIQUE" Texts 1..ANY;
    Average "AVERAGE" Numbers 1..ANY;
    Blank "BLANK" Logic 0..0;
    Ceiling "CEILING" Numbers 1..2;
    Concatenate "CONCATENATE" Texts 1..ANY;
    Count "COUNT" Numbers 1..ANY;
    CountA "COUNTA" Numbers 1..ANY;
    CountAll "COUNTALL" Numbers 1..ANY;
    CreatedTime "CREATED_TIME" Logic 0..0;
    DateAdd "DATEADD" Dates 3..3;
    DateStr "DATESTR" Dates 1..1;
    DatetimeDiff "DATETIME_DIFF" Dates 2..3;
    DatetimeFormat "DATETIME_FORMAT" Dates 1..2;
    DatetimeParse "DATETIME_PARSE" Dates 1..3;
    Day "DAY" Dates 1..1;
    EncodeUrlComponent "ENCODE_URL_COMPONENT" Texts 1..1;
    Error "ERROR" Logic 0..0;
    Even "EVEN" Numbers 1..1;
    Exact "EXACT" Texts 2..2;
    Exp "EXP" Numbers 1..1;
    False "FALSE" Logic 0..0;
    Find "FIND" Texts 2..3;
    Floor "FLOOR" Numbers 1..2;
    Hour "HOUR" Dates 1..1;
    If "IF" Logic 2..3;
    Int "INT" Numbers 1..1;
    IsAfter "IS_AFTER" Dates 2..3;
    IsBefore "IS_BEFORE" Dates 2..3;
    IsSame "IS_SAME" Dates 2..3;
    IsError "ISERROR" Logic 1..1;
    LastModifiedTime "LAST_MODIFIED_TIME" Logic 0..ANY;
    Left "LEFT" Texts 1..2;
    Len "LEN" Texts 1..1;
    Log "LOG" Numbers 1..2;
    Lower "LOWER" Texts 1..1;
    Max "MAX" Numbers 1..ANY;
    Mid "MID" Texts 3..3;
    Min "MIN" Numbers 1..ANY;
    Minute "MINUTE" Dates 1..1;
    Mod "MOD" Numbers 2..2;
    Month "MONTH" Dates 1..1;
    Not "NOT" Logic 1..1;
    Now "NOW" Logic 0..0;
    Odd "ODD" Numbers 1..1;
    Or "OR" Logic 1..ANY;
    Power "POWER" Numbers 2..2;
    RecordId "RECORD_ID" Logic 0..0;
    Replace "REPLACE" Texts 4..4;
    Rept "REPT" Texts 2..2;
    Right "RIGHT" Texts 1..2;
    Round "ROUND" Numbers 1..2;
    RoundDown "ROUNDDOWN" Numbers 1..2;
    RoundUp "ROUNDUP" Numbers 1..2;
    Search "SEARCH" Texts 2..3;
    Second "SECOND" Dates 1..1;
    Sqrt "SQRT" Numbers 1..1;
    Substitute "SUBSTITUTE" Texts 3..4;
    Sum "SUM" Numbers 1..ANY;
    Switch "SWITCH" Logic 3..ANY;
    T "T" Texts 1..1;
    TimeStr "TIMESTR" Dates 1..1;
    Today "TODAY" Logic 0..0;
    Trim "TRIM" Texts 1..1;
    True "TRUE" Logic 0..0;
    Upper "UPPER" Texts 1..1;
    Value "VALUE" Numbers 1..1;
    Weekday "WEEKDAY" Dates 1..2;
    Xor "XOR" Logic 1..ANY;
    Year "YEAR" Dates 1..1;
}

impl Function {
    /// The function of this name; case does not matter.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let found = TABLE.iter().find(|known| known.name.eq_ignore_ascii_case(name));
        found.map(|known| known.function)
    }

    /// Whether it can be called with that many arguments.
    pub(crate) fn takes(self, arguments: usize) -> bool {
        self.is(|known| (known.least..=known.most).contains(&arguments))
    }

    pub(crate) fn is_about_dates(self) -> bool {
        self.is(|known| known.about == About::Dates)
    }

    pub(crate) fn is_about_numbers(self) -> bool {
        self.is(|known| known.about == About::Numbers)
    }

    fn is(self, fits: impl Fn(&Known) -> bool) -> bool {
        TABLE.iter().any(|known| known.function == self && fits(known))
    }
}
