//! Tables as DynamoDB has them: how the library's own come to be, and how the configured ones are held against their schemas.

mod advice;
mod check;
mod creation;
mod lock;
