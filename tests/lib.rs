//! Nothing: the tests are in `end_to_end`, and the program that they run is built beside them. This file is here since a
//! package with a program and tests needs no more than a name.
