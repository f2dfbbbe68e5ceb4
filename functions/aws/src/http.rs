//! The HTTP client.

use aws_sdk_dynamodb::config::SharedHttpClient;
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};

/// Returns an HTTP client with TLS by rustls and ring. A process builds it once, and all service clients share it.
///
/// The SDK's default, aws-lc, is not used. Its first random byte costs about 30 ms of CPU, which is half a second in
/// a function of 128 MB.
#[must_use]
pub fn client() -> SharedHttpClient {
    Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .build_https()
}
