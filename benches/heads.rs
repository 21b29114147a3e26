//! Heads of HTTP/1: read from bytes, and written anew.
//!
//! Every request pays two of each. `read` fills a head that is used again, as a worker does.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput};
use weir::h1::framing::Framing;
use weir::h1::write::{self, Answer, Connection};
use weir::h1::{Limits, request, response};
use weir::message::head::{Head, Method};

/// What a script sends.
const SMALL: &str = "GET /orders/7 HTTP/1.1\r\nHost: shop.example.com\r\nUser-Agent: curl/8.14.1\r\n\
                     Accept: */*\r\n\r\n";

/// What a browser sends.
const BROWSER: &str = "GET /orders/7?page=2&sort=date HTTP/1.1\r\n\
     Host: shop.example.com\r\n\
     Connection: keep-alive\r\n\
     Cache-Control: max-age=0\r\n\
     Upgrade-Insecure-Requests: 1\r\n\
     User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0\r\n\
     Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8\r\n\
     Referer: https://shop.example.com/orders\r\n\
     Accept-Encoding: gzip, deflate, br, zstd\r\n\
     Accept-Language: en-GB,en;q=0.9,de;q=0.8\r\n\
     Cookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\n\r\n";

/// What a small service answers.
const ANSWER: &str = "HTTP/1.1 200 OK\r\n\
     Server: nginx/1.28.0\r\n\
     Date: Wed, 25 Nov 2026 08:00:00 GMT\r\n\
     Content-Type: application/json\r\n\
     Content-Length: 100\r\n\
     Connection: keep-alive\r\n\
     ETag: \"5f3e-1a2b\"\r\n\
     Cache-Control: private, max-age=60\r\n\r\n";

fn requests(criterion: &mut Criterion) {
    let mut read = criterion.benchmark_group("request/read");
    for (name, text) in [("small", SMALL), ("browser", BROWSER)] {
        read.throughput(Throughput::Bytes(text.len() as u64));
        read.bench_function(BenchmarkId::from_parameter(name), |bencher| {
            let mut head = Head::default();
            bencher.iter(|| {
                let message = request::read(black_box(text.as_bytes()), &Limits::CLIENT, &mut head);
                black_box(&head);
                message
            });
        });
    }
    read.finish();
    let mut written = criterion.benchmark_group("request/write");
    for (name, text) in [("small", SMALL), ("browser", BROWSER)] {
        let mut head = Head::default();
        let message = request::read(text.as_bytes(), &Limits::CLIENT, &mut head);
        assert!(matches!(message, Ok(Some(_))), "{name} is a whole request: {message:?}");
        written.throughput(Throughput::Bytes(text.len() as u64));
        written.bench_function(BenchmarkId::from_parameter(name), |bencher| {
            let mut out = Vec::new();
            bencher.iter(|| {
                out.clear();
                write::request(black_box(&head), Framing::None, "10.0.0.1:8080", &mut out);
                black_box(&out);
            });
        });
    }
    written.finish();
}

fn answers(criterion: &mut Criterion) {
    let mut head = Head::default();
    let mut group = criterion.benchmark_group("answer");
    group.throughput(Throughput::Bytes(ANSWER.len() as u64));
    group.bench_function("read", |bencher| {
        bencher.iter(|| {
            let bytes = black_box(ANSWER.as_bytes());
            let message = response::read(bytes, Method::Get, &Limits::ENDPOINT, &mut head);
            black_box(&head);
            message
        });
    });
    let message = response::read(ANSWER.as_bytes(), Method::Get, &Limits::ENDPOINT, &mut head);
    assert!(matches!(message, Ok(Some(_))), "it is a whole answer: {message:?}");
    group.bench_function("write", |bencher| {
        let how = Answer {
            date: b"Sun, 06 Nov 1994 08:49:37 GMT",
            framing: Framing::Length(100),
            bodiless: false,
            connection: Connection::Silent,
        };
        let mut out = Vec::new();
        bencher.iter(|| {
            out.clear();
            write::answer(black_box(&head), how, &mut out);
            black_box(&out);
        });
    });
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(30)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    requests(&mut criterion);
    answers(&mut criterion);
    criterion.final_summary();
}
