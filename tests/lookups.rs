//! Items are found by encrypted attributes, and every write keeps the tokens right.

mod conditions;
mod copied;
mod differential;
mod filters;
mod frequency;
mod history;
mod keys;
mod pages;
mod repository;
mod scene;
mod seen;
mod states;
mod sweep;
mod sweep_histories;
mod tables;
mod unique;
mod writes;
