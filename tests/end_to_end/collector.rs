//! A collector of spans: it takes OTLP over HTTP and keeps what came.

use std::io::{self, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use tokio_rustls::rustls::ServerConfig;

use crate::message::Message;
use crate::tls::{CERTIFICATE, KEY, accept, server_config};

/// How long a collector takes that is late.
const LATE: Duration = Duration::from_millis(300);

/// What a collector does with whoever sends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Manner {
    /// It keeps what comes, and says so.
    Takes,
    /// It does, but says so late.
    TakesLate,
    /// It keeps what comes, and says that it refused one of the spans.
    TakesAllButOne,
    /// It answers this at first, and keeps what comes from the second time on.
    AnswersAtFirst(u16),
    /// It answers this each time.
    Answers(u16),
    /// It listens and never answers.
    Hangs,
}

/// A collector on a port of its own.
pub(crate) struct Collector {
    pub(crate) endpoint: String,
    port: u16,
    asked: Arc<Mutex<Vec<Message>>>,
    came: Arc<Mutex<Vec<Message>>>,
}

impl Collector {
    pub(crate) fn start(manner: Manner) -> Self {
        Self::listen(manner, None)
    }

    /// One that speaks TLS alone, as `localhost`, with the certificate of [`CERTIFICATE`].
    pub(crate) fn start_tls(manner: Manner) -> Self {
        let mut collector = Self::listen(manner, Some(server_config(CERTIFICATE, KEY)));
        collector.endpoint = format!("https://localhost:{}/v1/traces", collector.port);
        collector
    }

    fn listen(manner: Manner, tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (asked, came) = (Arc::<Mutex<Vec<Message>>>::default(), Arc::default());
        let collector = Self {
            endpoint: format!("http://127.0.0.1:{port}/v1/traces"),
            port,
            asked: Arc::clone(&asked),
            came: Arc::clone(&came),
        };
        thread::spawn(move || {
            for connection in listener.incoming().map_while(Result::ok) {
                let receiving = Receiving {
                    manner,
                    asked: Arc::clone(&asked),
                    came: Arc::clone(&came),
                };
                let tls = tls.clone();
                // It ends when the sender hangs up.
                thread::spawn(move || match tls {
                    None => receiving.receive(connection),
                    Some(tls) => receiving.receive(accept(&tls, connection)),
                });
            }
        });
        collector
    }

    /// How many requests there were, kept or not.
    pub(crate) fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    /// What was kept.
    pub(crate) fn came(&self) -> Vec<Message> {
        self.came.lock().unwrap().clone()
    }

    /// Every span that came.
    pub(crate) fn spans(&self) -> Vec<Span> {
        let decode = |sent: Message| ExportTraceServiceRequest::decode(&sent.body[..]).unwrap();
        let requests = self.came().into_iter().map(decode);
        requests
            .flat_map(|request| request.resource_spans)
            .flat_map(|of_resource| of_resource.scope_spans)
            .flat_map(|of_scope| of_scope.spans)
            .collect()
    }
}

/// The text or number of an attribute.
pub(crate) fn attribute(span: &Span, name: &str) -> Option<String> {
    let found = span.attributes.iter().find(|attribute| attribute.key == name)?;
    match found.value.clone()?.value? {
        Value::StringValue(text) => Some(text),
        Value::IntValue(number) => Some(number.to_string()),
        other => panic!("{name} is {other:?}"),
    }
}

/// An id as the headers have it.
pub(crate) fn hex(id: &[u8]) -> String {
    let digit = |half: u8| char::from_digit(u32::from(half), 16).unwrap();
    id.iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}

/// One connection.
struct Receiving {
    manner: Manner,
    asked: Arc<Mutex<Vec<Message>>>,
    came: Arc<Mutex<Vec<Message>>>,
}

impl Receiving {
    fn receive(&self, connection: impl Read + Write) -> io::Result<()> {
        let mut connection = BufReader::new(connection);
        while let Some(sent) = Message::read(&mut connection)? {
            let is_first = {
                let mut asked = self.asked.lock().unwrap();
                asked.push(sent.clone());
                asked.len() == 1
            };
            let mut answer = ExportTraceServiceResponse::default();
            let status = match self.manner {
                Manner::Hangs => continue,
                Manner::Answers(status) => status,
                Manner::AnswersAtFirst(status) if is_first => status,
                Manner::TakesLate => {
                    thread::sleep(LATE);
                    200
                }
                Manner::TakesAllButOne => {
                    answer.partial_success = Some(ExportTracePartialSuccess {
                        rejected_spans: 1,
                        error_message: "one is too much".into(),
                    });
                    200
                }
                Manner::Takes | Manner::AnswersAtFirst(_) => 200,
            };
            if status == 200 {
                self.came.lock().unwrap().push(sent);
            }
            let body = answer.encode_to_vec();
            let head = format!(
                "HTTP/1.1 {status} Said\r\nContent-Type: application/x-protobuf\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            let connection = connection.get_mut();
            connection.write_all(head.as_bytes())?;
            connection.write_all(&body)?;
            connection.flush()?;
        }
        Ok(())
    }
}
