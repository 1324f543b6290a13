//! Who runs the migrations of a project.

/// Who runs migrations, and with which search path.
#[derive(Debug, Clone)]
pub struct Owner {
    /// The role; it owns what the migrations create.
    pub role: String,
    /// The value of `search_path`.
    pub search_path: String,
}

impl Owner {
    /// Whether it is who runs the migrations on Supabase.
    pub(crate) fn is_of_supabase(&self) -> bool {
        self.role == "postgres"
    }
}
