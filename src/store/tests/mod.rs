//! The files of a store, and the users of its machine.

mod rights;
