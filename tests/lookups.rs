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
mod states;
mod tables;
mod unique;
mod writes;
