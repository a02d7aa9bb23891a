//! Certificates as rows: what `certs check` and `certs list` print.

use jiff::Timestamp;
use mesh_pki::{Certificate, Expiry};
use serde::Serialize;

use crate::output::Report;
use crate::output::table::{Side, Table, Width};

/// Certificates and what was found about them.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CertificateReport {
    api_version: &'static str,
    kind: &'static str,
    /// The rows.
    pub items: Vec<CertificateRow>,
}

/// One certificate, or a place where none could be read.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CertificateRow {
    /// Where it is: a file, or an object and the key in it.
    pub place: String,
    /// What it is for.
    pub role: Role,
    /// How it is.
    pub status: Status,
    /// What is wrong, in full.
    pub problems: Vec<String>,
    /// Its facts; none when it could not be read.
    pub certificate: Option<Facts>,
}

/// What a certificate or key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Role {
    /// What proxies trust.
    TrustAnchor,
    /// What signs certificates, itself signed by another.
    Issuer,
    /// What a server shows.
    Serving,
    /// What clients of a server trust.
    CaBundle,
    /// A certificate that signs nothing.
    Leaf,
    /// A private key.
    Key,
    /// What could not be read.
    Unknown,
}

/// How a certificate is, worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Status {
    /// It cannot be used.
    Bad,
    /// It can be used, but not for long.
    ExpiringSoon,
    /// It can be used.
    Good,
}

/// The facts of a certificate.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Facts {
    /// What to call it.
    pub name: String,
    /// Its distinguished name.
    pub subject: String,
    /// Its alternative names.
    pub names: Vec<String>,
    /// The distinguished name of its signer.
    pub issuer: String,
    /// Where the certificate is that signed it, among those looked at.
    pub signed_by: Option<String>,
    /// Serial number, hexadecimal.
    pub serial: String,
    /// SHA-256 fingerprint.
    pub sha256: String,
    /// Kind of key.
    pub key: String,
    /// Algorithm of the signature.
    pub signature: String,
    /// Whether it may sign others.
    pub is_ca: bool,
    /// First second.
    pub not_before: Timestamp,
    /// Last second.
    pub not_after: Timestamp,
    /// Whole days left, negative when it has expired.
    pub days_left: i64,
}

impl CertificateReport {
    /// A report of these rows.
    pub fn new(items: Vec<CertificateRow>) -> Self {
        Self { api_version: "cli.linkerd.io/v1", kind: "CertificateList", items }
    }

    /// The worst status of all rows.
    pub fn status(&self) -> Status {
        self.items.iter().map(|row| row.status).min().unwrap_or(Status::Good)
    }
}

impl CertificateRow {
    /// A row for a certificate with its problems besides those of time.
    pub fn new(
        place: String,
        role: Role,
        certificate: &Certificate,
        problems: Vec<String>,
        now: Timestamp,
        warning_days: i64,
    ) -> Self {
        let status = match certificate.validity().at(now, warning_days) {
            _ if !problems.is_empty() => Status::Bad,
            Expiry::Valid { .. } => Status::Good,
            Expiry::ExpiringSoon { .. } => Status::ExpiringSoon,
            Expiry::NotYetValid { .. } | Expiry::Expired { .. } => Status::Bad,
        };
        Self { place, role, status, problems, certificate: Some(Facts::of(certificate, now)) }
    }

    /// A row for something that is no certificate.
    pub fn without(place: String, role: Role, problems: Vec<String>) -> Self {
        let status = if problems.is_empty() { Status::Good } else { Status::Bad };
        Self { place, role, status, problems, certificate: None }
    }

    fn state(&self) -> String {
        match self.status {
            Status::Good => "ok".to_owned(),
            Status::ExpiringSoon => "expires soon".to_owned(),
            Status::Bad => self.problems.join("; "),
        }
    }
}

impl Facts {
    fn of(certificate: &Certificate, now: Timestamp) -> Self {
        let summary = certificate.summary();
        Self {
            name: certificate.display_name(),
            names: summary.names.iter().map(ToString::to_string).collect(),
            subject: summary.subject,
            issuer: summary.issuer,
            signed_by: None,
            serial: summary.serial_hex,
            sha256: summary.sha256,
            key: summary.key,
            signature: summary.signature,
            is_ca: summary.is_ca,
            not_before: summary.validity.not_before,
            not_after: summary.validity.not_after,
            days_left: summary.validity.days_left(now),
        }
    }
}

impl Role {
    fn text(self) -> &'static str {
        match self {
            Self::TrustAnchor => "trust anchor",
            Self::Issuer => "issuer",
            Self::Serving => "serving",
            Self::CaBundle => "CA bundle",
            Self::Leaf => "leaf",
            Self::Key => "key",
            Self::Unknown => "-",
        }
    }
}

impl Report for CertificateReport {
    fn table(&self, width: Width) -> Table {
        let usual = [
            ("PLACE", Side::Left),
            ("ROLE", Side::Left),
            ("NAME", Side::Left),
            ("SIGNED BY", Side::Left),
            ("DAYS LEFT", Side::Right),
        ];
        let wide = [
            ("NOT AFTER", Side::Left),
            ("KEY", Side::Left),
            ("SERIAL", Side::Left),
            ("SHA-256", Side::Left),
            ("NAMES", Side::Left),
        ];
        let more: &[_] = if width == Width::Wide { &wide } else { &[] };
        let mut table = Table::new(usual.iter().chain(more).copied().chain([("STATUS", Side::Left)]));
        for row in &self.items {
            table.row(row.cells(width));
        }
        table
    }
}

impl CertificateRow {
    fn cells(&self, width: Width) -> Vec<String> {
        let mut cells = vec![self.place.clone(), self.role.text().to_owned()];
        let absent = || "-".to_owned();
        match &self.certificate {
            Some(facts) => {
                cells.push(facts.name.clone());
                cells.push(facts.signed_by.clone().unwrap_or_else(absent));
                cells.push(facts.days_left.to_string());
            }
            None => cells.extend([absent(), absent(), absent()]),
        }
        if width == Width::Wide {
            match &self.certificate {
                Some(facts) => cells.extend([
                    facts.not_after.to_string(),
                    facts.key.clone(),
                    facts.serial.clone(),
                    facts.sha256.clone(),
                    if facts.names.is_empty() { absent() } else { facts.names.join(",") },
                ]),
                None => cells.extend(std::iter::repeat_with(absent).take(5)),
            }
        }
        cells.push(self.state());
        cells
    }
}
