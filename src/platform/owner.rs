//! Who runs the migrations of a project.

/// Who runs migrations, and with which search path.
#[derive(Debug, Clone)]
pub struct Owner {
    /// The role; it owns what the migrations create.
    pub role: String,
    /// The value of `search_path`.
    pub search_path: String,
}
