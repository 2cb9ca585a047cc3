//! The one list of rules: the table and the tests are made from it, so that neither can miss one.

/// Hands the list to a macro: `each_rule_of_the_contract!([macro] arguments)` calls `macro! { [arguments] list }`.
#[doc(hidden)]
#[macro_export]
macro_rules! each_rule_of_the_contract {
    ([$($macro:tt)*] $($arguments:tt)*) => {
        $($macro)*! { [$($arguments)*]
            a_created_record_is_read_back in creation ["I1", "I2"];
        }
    };
}

/// Makes one test for each rule of the contract, named after it.
///
/// The argument is a [`StoreUnderTest`](crate::StoreUnderTest), such as the path of a function that opens a fresh
/// store:
///
/// ```text
/// runledger_contract::store_contract_tests!(fresh);
/// ```
#[macro_export]
macro_rules! store_contract_tests {
    ($store:expr) => {
        $crate::each_rule_of_the_contract!([$crate::contract_tests_of_the_list] $store);
    };
}

/// One test for each rule of the list. Called by [`store_contract_tests!`].
#[doc(hidden)]
#[macro_export]
macro_rules! contract_tests_of_the_list {
    ([$store:expr] $($rule:ident in $module:ident $invariants:tt;)*) => {
        $(
            #[test]
            fn $rule() {
                $crate::assert_rule(&$store, stringify!($rule));
            }
        )*
    };
}
