//! An endpoint that is not the limit, or fails as it is told.
