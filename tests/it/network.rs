//! The way out: through a proxy or past it, and whom we believe at the other end.
//!
//! The vendor is `vendor.test`, a name that no network knows: whoever reaches it went through the proxy.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use callscribe::{
    config::{Environment, NetworkSettings, read},
    outbound::{Client, Limits, OutboundError},
};
use http::Method;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{TlsAcceptor, rustls};
use url::Url;

use crate::harness;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";

/// A vendor of its own making: a name, a certificate that nobody vouches for, an answer for everyone.
struct Vendor {
    address: SocketAddr,
    /// Its certificate, as a file that a setting can name.
    bundle: String,
}

impl Vendor {
    async fn start(names: &[&str]) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).unwrap();
        let key = rustls::pki_types::PrivatePkcs8KeyDer::from(signing_key.serialize_der()).into();
        let config = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(vec![cert.der().clone()], key).unwrap();
        let (acceptor, listener) = (TlsAcceptor::from(Arc::new(config)), TcpListener::bind("127.0.0.1:0").await.unwrap());
        let address = listener.local_addr().unwrap();
        let file = harness::temp_dir("authorities").join("own.pem");
        std::fs::write(&file, cert.pem()).unwrap();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    // a client that does not believe us goes away here
                    let Ok(mut stream) = acceptor.accept(stream).await else { return };
                    let mut head = [0; 4096];
                    let _ = stream.read(&mut head).await;
                    let _ = stream.write_all(ANSWER).await;
                    let _ = stream.shutdown().await;
                });
            }
        });
        Self { address, bundle: file.to_str().unwrap().to_owned() }
    }
}

/// A proxy that leads every CONNECT to one address, answers everything else itself, and remembers what it was asked.
struct Proxy {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    async fn start(leads_to: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, asked) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(Vec::new())));
        let seen = Arc::clone(&asked);
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let seen = Arc::clone(&seen);
                tokio::spawn(async move {
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") && stream.read_buf(&mut head).await.is_ok_and(|read| read > 0) {}
                    let head = String::from_utf8(head).unwrap();
                    seen.lock().unwrap().push(head.clone());
                    if !head.starts_with("CONNECT") {
                        let _ = stream.write_all(ANSWER).await;
                        return;
                    }
                    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
                    let mut vendor = TcpStream::connect(leads_to).await.unwrap();
                    let _ = copy_bidirectional(&mut stream, &mut vendor).await;
                });
            }
        });
        Self { address, asked }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn client(pairs: &[(&str, String)]) -> Client {
    let environment: Environment = pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    Client::through(&read(&environment, NetworkSettings::read).unwrap(), "test", Limits::API).unwrap()
}

async fn status(client: &Client, url: &str) -> Result<u16, OutboundError> {
    let request = client.request(Method::GET, &Url::parse(url).unwrap())?;
    Ok(client.send(request).await?.status().as_u16())
}

#[tokio::test]
async fn https_goes_through_the_proxy_with_its_password_and_past_it_to_hosts_that_need_none() {
    let vendor = Vendor::start(&["vendor.test"]).await;
    let proxy = Proxy::start(vendor.address).await;
    let bundle = ("CALLSCRIBE_CA_BUNDLE", vendor.bundle.clone());
    let way = ("HTTPS_PROXY", format!("http://ada:secret@{}", proxy.address));
    assert_eq!(status(&client(&[bundle.clone(), way.clone()]), "https://vendor.test/v1/tasks?token=s3cret").await.unwrap(), 200);
    let asked = proxy.asked();
    assert!(matches!(&asked[..], [head] if head.starts_with("CONNECT vendor.test:443 ")), "{asked:?}");
    assert!(asked[0].to_ascii_lowercase().contains("proxy-authorization: basic ywrhonnly3jlda=="), "{asked:?}");
    assert!(!asked[0].contains("s3cret"), "the proxy sees the host and nothing else");

    let past = client(&[bundle, way, ("NO_PROXY", "other.test, vendor.test".to_owned())]);
    assert!(matches!(status(&past, "https://vendor.test/").await, Err(OutboundError::Connect { .. })), "nobody knows the name");
    assert_eq!(proxy.asked().len(), 1);
}

#[tokio::test]
async fn plain_http_goes_through_its_proxy_and_this_very_machine_is_never_asked_through_one() {
    let vendor = Vendor::start(&["localhost", "127.0.0.1"]).await;
    let proxy = Proxy::start(vendor.address).await;
    let way = format!("http://{}", proxy.address);
    let ours = [("HTTP_PROXY", way.clone()), ("HTTPS_PROXY", way), ("CALLSCRIBE_CA_BUNDLE", vendor.bundle.clone())];
    let allowed = client(&ours).allowing_plain_host("vendor.test");
    assert_eq!(status(&allowed, "http://vendor.test/v1/tasks").await.unwrap(), 200);
    assert!(proxy.asked()[0].starts_with("GET http://vendor.test/v1/tasks "), "{:?}", proxy.asked());
    let port = vendor.address.port();
    for here in [format!("https://localhost:{port}/"), format!("https://127.0.0.1:{port}/")] {
        assert_eq!(status(&client(&ours), &here).await.unwrap(), 200, "{here}");
    }
    let plain = Proxy::start(vendor.address).await;
    assert_eq!(status(&client(&ours), &format!("http://{}/", plain.address)).await.unwrap(), 200);
    assert_eq!(proxy.asked().len(), 1, "{:?}", proxy.asked());
}

#[tokio::test]
async fn a_certificate_of_ones_own_is_believed_when_it_is_named_and_refused_with_the_name_of_the_setting() {
    let vendor = Vendor::start(&["localhost"]).await;
    let url = format!("https://localhost:{}/", vendor.address.port());
    let error = status(&client(&[]), &url).await.unwrap_err();
    assert!(matches!(&error, OutboundError::Untrusted { .. }), "{error:?}");
    let told = error.to_string();
    assert!(told.contains("`localhost`") && told.contains("`CALLSCRIBE_CA_BUNDLE`"), "{told}");
    assert_eq!(status(&client(&[("CALLSCRIBE_CA_BUNDLE", vendor.bundle.clone())]), &url).await.unwrap(), 200);
    // another's certificate is of no help
    let other = Vendor::start(&["localhost"]).await;
    let error = status(&client(&[("CALLSCRIBE_CA_BUNDLE", other.bundle)]), &url).await.unwrap_err();
    assert!(matches!(&error, OutboundError::Untrusted { .. }), "{error:?}");
}
