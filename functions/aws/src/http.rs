//! The HTTP client.

use aws_sdk_dynamodb::config::SharedHttpClient;
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};

/// A client with TLS by rustls and ring, to be made once and shared by every client of a service.
///
/// Not aws-lc, the SDK's default: its first random byte costs some 30 ms of CPU, half a second in a function
/// of 128 MB.
#[must_use]
pub fn client() -> SharedHttpClient {
    Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .build_https()
}
