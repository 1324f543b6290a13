//! What a request carries about who asks: the settings that the API, or a back end, makes of it.

use serde_json::{Map, Value, json};

use crate::actor::told::merge;
use crate::error::{Error, Result};
use crate::platform::{Platform, email_of};
use crate::session::impersonation::Impersonation;

/// What a request carries about who asks.
pub(super) struct Token<'a> {
    pub name: &'a str,
    pub role: &'a str,
    pub user: Option<&'a str>,
    pub claimed_tenant: Option<String>,
}

impl Token<'_> {
    /// What turns a session into who sends the request.
    pub fn impersonation(
        &self,
        platform: &Platform,
        more: &Map<String, Value>,
    ) -> Result<Impersonation> {
        let settings = self.request_on(platform, more)?;
        Ok(Impersonation::new(settings, self.role))
    }

    /// The settings that the back end makes of a request, or PostgREST.
    fn request_on(
        &self,
        platform: &Platform,
        more: &Map<String, Value>,
    ) -> Result<Vec<(String, String)>> {
        let Some(identity) = platform.identity() else { return self.request(more) };
        if identity.is_token() {
            let mut settings = self.request(more)?;
            settings.retain(|(name, _)| name != "search_path");
            return Ok(settings);
        }
        let user = self.user.unwrap_or_default().to_owned();
        let mut settings = vec![(identity.user_setting().to_owned(), user)];
        if let Some(tenant) = &identity.tenant {
            settings.push((tenant.clone(), self.claimed_tenant.clone().unwrap_or_default()));
        }
        Ok(settings)
    }

    /// The settings PostgREST makes of a request with this token.
    fn request(&self, more: &Map<String, Value>) -> Result<Vec<(String, String)>> {
        let mut claims = self.claims();
        merge(&mut claims, &Value::Object(more.clone()));
        let claims = serde_json::to_string(&claims).map_err(|cause| {
            Error::new(format!("the claims of `{}` are not JSON", self.name)).cause(cause)
        })?;
        let setting = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        Ok(vec![
            setting("search_path", "\"public\", \"extensions\""),
            setting("request.jwt.claims", &claims),
            setting("request.method", "POST"),
            setting("request.path", "/"),
            setting("request.headers", "{}"),
            setting("request.cookies", "{}"),
        ])
    }

    fn claims(&self) -> Value {
        let Some(user) = self.user else { return json!({ "role": self.role }) };
        let mut app_metadata = json!({ "provider": "email", "providers": ["email"] });
        if let Some(tenant) = &self.claimed_tenant {
            app_metadata["tenant_id"] = json!(tenant);
        }
        json!({
            "iss": "http://127.0.0.1:54321/auth/v1",
            "sub": user,
            "aud": "authenticated",
            "exp": 4_102_444_800_u64,
            "iat": 1_704_067_200_u64,
            "email": email_of(self.name),
            "phone": "",
            "app_metadata": app_metadata,
            "user_metadata": {},
            "role": self.role,
            "aal": "aal1",
            "amr": [{ "method": "password", "timestamp": 1_704_067_200_u64 }],
            "session_id": "00000000-0000-4000-8000-000000000000",
            "is_anonymous": false,
        })
    }
}
