//! An attacker: a program with accounts at one or two nodes, which breaks the rules of every protocol as far as it can.
//!
//! `plan.rs` chooses its moves from the seed; `program.rs` makes them on a session, with what it says of routes
//! (`routes.rs`) and of its books (`books.rs`), and with what makes no sense (`noise.rs`). `tally.rs` has what it really
//! did, and `checks.rs` what must hold whatever it does.

mod books;
mod carrier;
mod checks;
mod frames;
mod http;
mod noise;
mod plan;
mod program;
mod routes;
mod tally;

pub use self::checks::{check_always, check_fairness, check_peace, has_used_up_credit};
pub use self::plan::{
    ATTACKER, Answers, AttackPlace, AttackPlan, Move, MovePlan, Target, yaml_of_attacker,
    yaml_of_limits,
};
pub use self::program::start_attackers;
pub use self::tally::AttackTallies;
