//! OER.
