//! Configurations, good and bad, from files of cases.
//!
//! A case starts with `=== name`; lines `$ NAME=value` set variables, `$ --node x` the node; then the file follows,
//! and after `>>>` what `check` says of it, line by line (`ok` where nothing is wrong). Warnings start with `warning: `.
//! With BLESS=1 in the environment the files are rewritten from what is said now: read the difference before you
//! commit it.

mod cases;
