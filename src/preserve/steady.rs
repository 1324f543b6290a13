//! The settings in which values are read as text, whatever a file has set.

use postgres::Client;

use crate::error::Result;
use crate::session;

pub(crate) fn own(client: &mut Client, sql: &str) -> Result<()> {
    client.batch_execute(sql).map_err(|cause| session::internal("take the census", &cause))
}

/// Text forms depend on settings; both sides use the same ones, whatever a file has set.
pub(crate) fn pin_formats(client: &mut Client) -> Result<()> {
    own(
        client,
        "set local search_path = \"$user\", public, extensions;
         set local timezone = 'UTC'; set local datestyle = 'ISO, YMD';
         set local intervalstyle = 'postgres'; set local extra_float_digits = 1;
         set local bytea_output = 'hex'; set local xmlbinary = 'base64';
         set local row_security = on",
    )
}
