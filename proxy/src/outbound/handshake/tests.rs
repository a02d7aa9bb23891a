//! Handshakes record by record, in every version and however they are cut.

use super::*;

/// A record of a type with so many octets.
fn record(kind: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    [&[kind, 3, 3, length[0], length[1]], content].concat()
}

fn records(of: &[(u8, Vec<u8>)]) -> Vec<u8> {
    of.iter().flat_map(|(kind, content)| record(*kind, content)).collect()
}

/// A handshake message with a random value, and some more.
fn hello(kind: u8, random: [u8; 32], more: usize) -> Vec<u8> {
    let length = u8::try_from(2 + 32 + more).unwrap();
    [&[kind, 0, 0, length, 3, 3], &random[..], &vec![7; more][..]].concat()
}

fn client_hello() -> (u8, Vec<u8>) {
    (HANDSHAKE, hello(1, [1; 32], 180))
}

fn server_hello() -> (u8, Vec<u8>) {
    (HANDSHAKE, hello(2, [2; 32], 90))
}

fn retry() -> (u8, Vec<u8>) {
    (HANDSHAKE, hello(2, RETRY, 20))
}

fn change() -> (u8, Vec<u8>) {
    (CHANGE_CIPHER_SPEC, vec![1])
}

fn handshake(octets: usize) -> (u8, Vec<u8>) {
    (HANDSHAKE, vec![9; octets])
}

fn data(octets: usize) -> (u8, Vec<u8>) {
    (APPLICATION_DATA, vec![9; octets])
}

const ALERT: usize = 19;
const FINISHED: usize = 53;

use Direction::{Request as Client, Response as Server};

/// Who sends it, and its records.
type Flight<'a> = (Direction, &'a [(u8, Vec<u8>)]);

/// The number of the flight that a handshake is over with, from 0; none when it is lost or goes on. Flights pass in pieces of `piece`
/// octets.
fn over(flights: &[Flight<'_>], piece: usize) -> Option<usize> {
    let mut handshake = Handshake::new(Instant::now());
    for (number, (direction, flight)) in flights.iter().enumerate() {
        for piece in records(flight).chunks(piece) {
            match handshake.pass(*direction, piece) {
                Seen::Going => {}
                Seen::Over => return Some(number),
                Seen::Lost => return None,
            }
        }
    }
    None
}

/// The same however the octets come.
fn is_over(flights: &[Flight<'_>], expected: Option<usize>) {
    for piece in [1, 2, 5, 7, 64, 100_000] {
        assert_eq!(over(flights, piece), expected, "in pieces of {piece}");
    }
}

#[test]
fn tls_13_is_over_with_the_finished_of_the_client() {
    let server = [server_hello(), change(), data(40), data(900), data(FINISHED)];
    is_over(
        &[
            (Client, &[client_hello()]),
            (Server, &server),
            (Client, &[change()]),
            (Client, &[data(FINISHED)]),
            (Client, &[data(100)]),
        ],
        Some(3),
    );
}

#[test]
fn a_hello_that_has_to_be_said_again_is_not_an_end() {
    let server = [server_hello(), data(40), data(900), data(FINISHED)];
    is_over(
        &[
            (Client, &[client_hello()]),
            (Server, &[retry(), change()]),
            (Client, &[change(), client_hello()]),
            (Server, &server),
            (Client, &[data(FINISHED)]),
        ],
        Some(4),
    );
}

#[test]
fn a_wish_may_be_in_several_records() {
    let (_, message) = retry();
    let parts: Vec<_> = message.chunks(25).map(|part| (HANDSHAKE, part.to_vec())).collect();
    is_over(
        &[
            (Client, &[client_hello()]),
            (Server, &parts),
            (Client, &[client_hello()]),
            (Server, &[change(), server_hello(), data(FINISHED)]),
            (Client, &[change(), data(FINISHED)]),
        ],
        Some(4),
    );
}

#[test]
fn tls_12_is_over_with_the_finished_of_the_server() {
    is_over(
        &[
            (Client, &[client_hello()]),
            (Server, &[server_hello(), handshake(900), handshake(200), handshake(4)]),
            (Client, &[handshake(70), change(), handshake(40)]),
            (Server, &[handshake(180), change(), handshake(40)]),
            (Client, &[data(30)]),
        ],
        Some(3),
    );
}

#[test]
fn tls_12_that_resumes_is_over_with_the_finished_of_the_client() {
    is_over(
        &[
            (Client, &[client_hello()]),
            (Server, &[server_hello(), change(), handshake(40)]),
            (Client, &[change(), handshake(40)]),
            (Client, &[data(30)]),
        ],
        Some(2),
    );
}

#[test]
fn a_client_of_tls_12_may_send_before_the_server_has_finished() {
    is_over(
        &[
            (Client, &[client_hello()]),
            (Server, &[server_hello(), handshake(900), handshake(4)]),
            (Client, &[handshake(70), change(), handshake(40)]),
            (Client, &[data(30)]),
        ],
        Some(3),
    );
}

#[test]
fn early_data_is_no_end() {
    is_over(
        &[
            (Client, &[client_hello(), change(), data(500)]),
            (Client, &[data(500)]),
            (Server, &[server_hello(), change(), data(40), data(FINISHED)]),
            (Client, &[data(21), data(FINISHED)]),
        ],
        Some(3),
    );
}

#[test]
fn a_client_that_gives_up_has_no_end() {
    is_over(
        &[
            (Client, &[client_hello()]),
            (Server, &[server_hello(), change(), data(900)]),
            (Client, &[change(), data(ALERT)]),
            (Client, &[data(FINISHED)]),
        ],
        None,
    );
    // A server that refuses says so in the clear, and warnings (RFC 6066 §3) do not end anything.
    is_over(&[(Client, &[client_hello()]), (Server, &[(21, vec![2, 40])])], None);
    is_over(
        &[
            (Client, &[client_hello()]),
            (Server, &[(21, vec![1, 112]), server_hello(), change(), data(FINISHED)]),
            (Client, &[data(FINISHED)]),
        ],
        Some(2),
    );
}

#[test]
fn what_is_not_tls_is_lost() {
    let now = Instant::now();
    for octets in
        [&b"HTTP/1.1 400 Bad Request\r\n"[..], &[22, 2, 0, 0, 1, 1], &[22, 3, 3, 255, 255], &[24, 3, 3, 0, 1]]
    {
        let mut handshake = Handshake::new(now);
        assert_eq!(handshake.pass(Client, &record(HANDSHAKE, &client_hello().1)), Seen::Going);
        assert_eq!(handshake.pass(Server, octets), Seen::Lost, "{octets:?}");
    }
    // A record without content is none of TLS's either, but ends nothing.
    let mut handshake = Handshake::new(now);
    assert_eq!(handshake.pass(Client, &[22, 3, 1, 0, 0, 22, 3, 1, 0, 0]), Seen::Going);
    assert_eq!(handshake.took(now + Duration::from_secs(3)), Duration::from_secs(3));
}
