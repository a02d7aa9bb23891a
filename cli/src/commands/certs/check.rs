//! `linkerd certs check`: what is wrong with the certificates and keys in files.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use mesh_pki::{
    Bundle, Certificate, IssuerKey, Problem, WARNING_DAYS, parse_certificates, parse_key, parse_pem,
};

use crate::args::duration::go_duration;
use crate::args::identity::read_pem_file;
use crate::args::output::OutputArgs;
use crate::commands::certs::pool::{Judge, Pool, chain_problem};
use crate::context::Context;
use crate::error::{CommandError, Outcome};
use crate::output;
use crate::output::cert::{CertificateReport, CertificateRow, Role, Status};

const SECONDS_A_DAY: u64 = 86_400;

/// Check certificates and keys in files
///
/// Self-signed authorities among the files are taken as trust anchors; every other certificate has to lead to one of
/// them. Keys have to belong to one of the certificates. Ends with 0 when nothing was found, 1 when something was,
/// 2 when a file cannot be read.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  \
        # Everything that install is going to be given\n  linkerd certs check ca.crt issuer.crt issuer.key\n\n  \
        # Fail a month before the end\n  linkerd certs check ca.crt issuer.crt --expiring-within 720h")]
pub struct CheckArgs {
    /// Files of certificates and keys (PEM)
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// How soon before its end a certificate is a finding [default: 1440h, 60 days]
    #[arg(long, value_name = "DURATION", value_parser = go_duration)]
    pub expiring_within: Option<Duration>,
    /// Name that the issuer has to be for, such as identity.linkerd.cluster.local
    #[arg(long, value_name = "NAME")]
    pub issuer_name: Option<String>,
    /// How to print the findings.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// What a file turned out to hold.
enum Content {
    Certificates(Vec<Certificate>),
    Key(IssuerKey),
    Unusable(String),
}

/// Runs the command.
pub fn run(context: &mut Context<'_>, args: &CheckArgs) -> Result<Outcome, CommandError> {
    let mut contents = Vec::new();
    for file in &args.files {
        contents.push((file.as_path(), Content::read(&read_pem_file(file)?)));
    }
    let judge = Judge { now: context.now, warning_days: warning_days(args.expiring_within) };
    let report = CertificateReport::new(rows(&contents, args.issuer_name.as_deref(), judge));
    output::print(context.ui, args.output.format, &report)?;
    match report.status() {
        Status::Good => Ok(Outcome::Success),
        Status::Bad | Status::ExpiringSoon => Ok(Outcome::Exit(1)),
    }
}

/// A warning time in whole days, rounded up.
pub fn warning_days(within: Option<Duration>) -> i64 {
    match within {
        Some(duration) => i64::try_from(duration.as_secs().div_ceil(SECONDS_A_DAY)).unwrap_or(i64::MAX),
        None => WARNING_DAYS,
    }
}

impl Content {
    fn read(text: &[u8]) -> Self {
        let blocks = match parse_pem(text) {
            Ok(blocks) => blocks,
            Err(error) => return Self::Unusable(error.to_string()),
        };
        let is_certificate = |label: &str| label == "CERTIFICATE";
        let is_key = |label: &str| label.ends_with("PRIVATE KEY");
        if blocks.iter().any(|block| is_key(&block.label))
            && blocks.iter().any(|block| is_certificate(&block.label))
        {
            return Self::Unusable(
                "holds certificates and a private key; keep them in separate files".to_owned(),
            );
        }
        if blocks.iter().any(|block| is_certificate(&block.label)) {
            parse_certificates(text)
                .map_or_else(|error| Self::Unusable(error.to_string()), Self::Certificates)
        } else {
            parse_key(text).map_or_else(|error| Self::Unusable(error.to_string()), Self::Key)
        }
    }
}

fn rows(contents: &[(&Path, Content)], issuer_name: Option<&str>, judge: Judge) -> Vec<CertificateRow> {
    let mut pool = Pool::default();
    let placed: Vec<_> = contents
        .iter()
        .map(|(file, content)| match content {
            Content::Certificates(found) => pool.add(&file.display().to_string(), found),
            Content::Key(_) | Content::Unusable(_) => Vec::new(),
        })
        .collect();
    let all = pool.certificates();
    let anchors = anchors(&all);
    let mut rows = Vec::new();
    for ((file, content), placed) in contents.iter().zip(placed) {
        let place = file.display().to_string();
        match content {
            Content::Certificates(_) => rows.extend(placed.into_iter().map(|(place, certificate)| {
                let problems = judge_one(&certificate, &all, anchors.as_ref(), issuer_name, judge);
                pool.row(place, role(&certificate), &certificate, &problems, judge)
            })),
            Content::Key(key) => {
                let owned = all.is_empty() || all.iter().any(|certificate| key.matches(certificate));
                let problem = "the private key belongs to none of the certificates given".to_owned();
                rows.push(CertificateRow::without(
                    place,
                    Role::Key,
                    if owned { vec![] } else { vec![problem] },
                ));
            }
            Content::Unusable(problem) => {
                rows.push(CertificateRow::without(place, Role::Unknown, vec![problem.clone()]));
            }
        }
    }
    rows
}

fn role(certificate: &Certificate) -> Role {
    match (certificate.is_ca(), certificate.is_self_issued()) {
        (true, true) => Role::TrustAnchor,
        (true, false) => Role::Issuer,
        (false, _) => Role::Leaf,
    }
}

fn anchors(all: &[Certificate]) -> Option<Bundle> {
    let mut anchors = all.iter().filter(|certificate| role(certificate) == Role::TrustAnchor).cloned();
    let mut bundle = Bundle::of(anchors.next()?);
    anchors.for_each(|anchor| bundle.add(anchor));
    Some(bundle)
}

/// What is wrong with one certificate, besides its time.
fn judge_one(
    certificate: &Certificate,
    all: &[Certificate],
    anchors: Option<&Bundle>,
    issuer_name: Option<&str>,
    judge: Judge,
) -> Vec<Problem> {
    let role = role(certificate);
    let mut problems = Vec::new();
    if role != Role::Leaf {
        problems.extend(Problem::of_crypto(certificate));
        problems.extend(Problem::of_authority(certificate));
    }
    if role == Role::TrustAnchor && !mesh_pki::signed_by_key(certificate, certificate) {
        let signer = certificate.display_name();
        problems.push(Problem::Chain(mesh_pki::ChainProblem::BadSignature { signer }));
    }
    if let Some(anchors) = anchors {
        problems.extend(chain_problem(certificate, all, anchors, judge.now));
    }
    let is_issuer = role == Role::Issuer || (role == Role::TrustAnchor && all.len() == 1);
    if let (true, Some(name)) = (is_issuer, issuer_name) {
        problems.extend(Problem::of_name(certificate, name));
    }
    problems
}
