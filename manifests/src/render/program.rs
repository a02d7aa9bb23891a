//! Templates compiled for execution: names of variables, functions and templates resolved once.
//!
//! The parser is `gotmpl`'s; everything behind it is ours, because charts need Helm's behaviour (errors with a line, a nil pointer
//! that is an error, `include`) and because a template is rendered many more times than it is parsed.

use std::collections::HashMap;
use std::sync::Arc;

use gotmpl::TemplateError;
use gotmpl::parse::{
    BranchNode, CommandNode, Expr as Ast, ListNode, Node, Number, Parser, PipeNode, SmolStr,
};

use super::data::Data;
use super::functions::{self, Function};

/// Position of a template in [`Program::templates`].
pub(crate) type TemplateId = usize;

/// A set of compiled templates that can call each other.
#[derive(Debug, Default)]
pub(crate) struct Program {
    pub(crate) templates: Vec<Template>,
    pub(crate) names: HashMap<Arc<str>, TemplateId>,
}

/// One compiled template.
#[derive(Debug)]
pub(crate) struct Template {
    /// The file it stands in.
    pub(crate) file: Arc<str>,
    pub(crate) body: Vec<Op>,
    /// Number of variables, `$` included.
    pub(crate) slots: usize,
}

/// One step of a body.
#[derive(Debug)]
pub(crate) enum Op {
    Text(Arc<str>),
    Print(Expr, u32),
    Assign(usize, Expr, u32),
    If(Box<Branch>),
    With(Box<Branch>),
    Range(Box<Branch>),
    Call(SmolStr, Option<Expr>, u32),
    Break,
    Continue,
}

/// `if`, `with` and `range`.
#[derive(Debug)]
pub(crate) struct Branch {
    pub(crate) line: u32,
    pub(crate) subject: Expr,
    /// Variables set from the subject: for `range` index and element, or the element alone.
    pub(crate) slots: Vec<usize>,
    pub(crate) body: Vec<Op>,
    pub(crate) otherwise: Vec<Op>,
}

/// An expression.
#[derive(Debug)]
pub(crate) enum Expr {
    Dot,
    Const(Data),
    Field(Vec<Arc<str>>),
    Variable(usize, Vec<Arc<str>>),
    Chain(Box<Expr>, Vec<Arc<str>>),
    And(Vec<Expr>),
    Or(Vec<Expr>),
    /// A function with its arguments; what is piped in is the last of them.
    Apply(Function, Vec<Expr>),
}

/// Why a source does not compile.
#[derive(Debug)]
pub(crate) struct CompileError {
    pub(crate) file: Arc<str>,
    pub(crate) line: u32,
    pub(crate) cause: String,
}

impl Program {
    /// Compiles every file; each is a template under its own path beside what it defines.
    pub(crate) fn compile<'a>(
        files: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, CompileError> {
        let mut program = Self::default();
        for (path, source) in files {
            program.add(path, source)?;
        }
        Ok(program)
    }

    /// Adds one file to the set.
    pub(crate) fn add(&mut self, path: &str, source: &str) -> Result<TemplateId, CompileError> {
        let file: Arc<str> = Arc::from(path);
        // The parser follows such chains on the stack, without a bound of its own.
        if source.matches("else ").count() > ALTERNATIVES {
            let cause = format!("more than {ALTERNATIVES} alternatives in one file");
            return Err(CompileError { file, line: 1, cause });
        }
        let parsed = Parser::with_name(None, source, "{{", "}}").and_then(Parser::parse);
        let (body, defines) = parsed.map_err(|error| syntax(&file, error))?;
        for define in &defines {
            self.insert(&file, define.name.as_str(), &define.body, define.pos.line)?;
        }
        self.insert(&file, path, &body, 1)
    }

    fn insert(
        &mut self,
        file: &Arc<str>,
        name: &str,
        body: &ListNode,
        line: usize,
    ) -> Result<TemplateId, CompileError> {
        let mut compiler = Compiler { file, scopes: vec![vec![("$".into(), 0)]], slots: 1, nesting: 0 };
        let body = compiler.list(body)?;
        let template = Template { file: Arc::clone(file), body, slots: compiler.slots };
        if let Some(&other) = self.names.get(name) {
            let first = &self.templates[other].file;
            return Err(compiler.error(line, format!("template {name:?} is already defined in {first}")));
        }
        let id = self.templates.len();
        self.templates.push(template);
        self.names.insert(Arc::from(name), id);
        Ok(id)
    }
}

/// The parser's complaint, in our terms.
fn syntax(file: &Arc<str>, error: TemplateError) -> CompileError {
    let (line, cause) = match error {
        TemplateError::Parse { line, message, .. } | TemplateError::Lex { line, message, .. } => {
            (line, message)
        }
        other => (1, other.to_string()),
    };
    CompileError { file: Arc::clone(file), line: number(line), cause }
}

fn number(line: usize) -> u32 {
    u32::try_from(line).unwrap_or(u32::MAX)
}

/// Compiles one body.
struct Compiler<'a> {
    file: &'a Arc<str>,
    /// Variables in sight, innermost scope last.
    scopes: Vec<Vec<(SmolStr, usize)>>,
    slots: usize,
    /// Calls around the expression that is being compiled.
    nesting: usize,
}

/// Scopes within scopes that one template may have; each block opens two.
const BLOCKS: usize = 60;

/// `else if` and its kin that one file may have.
const ALTERNATIVES: usize = 200;

/// Calls within calls that one expression may have.
const NESTING: usize = 200;

impl Compiler<'_> {
    fn error(&self, line: usize, cause: impl Into<String>) -> CompileError {
        CompileError { file: Arc::clone(self.file), line: number(line), cause: cause.into() }
    }

    fn list(&mut self, list: &ListNode) -> Result<Vec<Op>, CompileError> {
        let mut ops = Vec::with_capacity(list.nodes.len());
        for node in &list.nodes {
            self.node(node, &mut ops)?;
        }
        Ok(ops)
    }

    fn node(&mut self, node: &Node, ops: &mut Vec<Op>) -> Result<(), CompileError> {
        ops.push(match node {
            Node::Text(text) if text.text.is_empty() => return Ok(()),
            Node::Text(text) => Op::Text(Arc::clone(&text.text)),
            Node::Action(action) => {
                let line = action.pipe.pos.line;
                let value = self.pipe(&action.pipe)?;
                match action.pipe.decl.as_slice() {
                    [] => Op::Print(value, number(line)),
                    [name] => Op::Assign(self.target(name, &action.pipe)?, value, number(line)),
                    _ => return Err(self.error(line, "only range can set two variables")),
                }
            }
            Node::If(branch) => Op::If(self.branch(branch)?),
            Node::With(branch) => Op::With(self.branch(branch)?),
            Node::Range(branch) => Op::Range(self.branch(branch)?),
            Node::Template(call) => {
                let argument = call.pipe.as_ref().map(|pipe| self.pipe(pipe)).transpose()?;
                Op::Call(call.name.clone(), argument, number(call.pos.line))
            }
            Node::List(list) => {
                let inner = self.list(list)?;
                ops.extend(inner);
                return Ok(());
            }
            Node::Define(_) => return Ok(()),
            Node::Break(_) => Op::Break,
            Node::Continue(_) => Op::Continue,
        });
        Ok(())
    }

    /// The slot a pipeline writes: a new one for `:=`, the variable's own for `=`.
    fn target(&mut self, name: &SmolStr, pipe: &PipeNode) -> Result<usize, CompileError> {
        if pipe.is_assign {
            return self.lookup(name, pipe.pos.line);
        }
        let slot = self.slots;
        self.slots += 1;
        self.scopes.last_mut().expect("a body always has a scope").push((name.clone(), slot));
        Ok(slot)
    }

    fn lookup(&self, name: &SmolStr, line: usize) -> Result<usize, CompileError> {
        let found =
            self.scopes.iter().rev().flat_map(|scope| scope.iter().rev()).find(|(known, _)| known == name);
        found.map(|(_, slot)| *slot).ok_or_else(|| self.error(line, format!("undefined variable {name:?}")))
    }

    fn branch(&mut self, branch: &BranchNode) -> Result<Box<Branch>, CompileError> {
        if self.scopes.len() > BLOCKS {
            return Err(self.error(branch.pipe.pos.line, "the blocks stand too deep in one another"));
        }
        self.scopes.push(Vec::new());
        let subject = self.pipe(&branch.pipe)?;
        let mut slots = Vec::with_capacity(branch.pipe.decl.len());
        for name in &branch.pipe.decl {
            slots.push(self.target(name, &branch.pipe)?);
        }
        let body = self.scoped(Some(&branch.body))?;
        let otherwise = self.scoped(branch.else_body.as_ref())?;
        self.scopes.pop();
        Ok(Box::new(Branch { line: number(branch.pipe.pos.line), subject, slots, body, otherwise }))
    }

    fn scoped(&mut self, list: Option<&ListNode>) -> Result<Vec<Op>, CompileError> {
        let Some(list) = list else { return Ok(Vec::new()) };
        self.scopes.push(Vec::new());
        let ops = self.list(list);
        self.scopes.pop();
        ops
    }

    /// A pipeline as nested calls: what stands left of `|` is the last argument of what stands right of it.
    fn pipe(&mut self, pipe: &PipeNode) -> Result<Expr, CompileError> {
        let outer = self.nesting;
        self.nesting += pipe.commands.len();
        if self.nesting > NESTING {
            return Err(self.error(pipe.pos.line, format!("more than {NESTING} calls within one another")));
        }
        let mut value = None;
        for command in &pipe.commands {
            value = Some(self.command(command, value)?);
        }
        self.nesting = outer;
        value.ok_or_else(|| self.error(pipe.pos.line, "missing value"))
    }

    fn command(&mut self, command: &CommandNode, piped: Option<Expr>) -> Result<Expr, CompileError> {
        let line = command.pos.line;
        let (first, rest) = command.args.split_first().ok_or_else(|| self.error(line, "missing value"))?;
        match first {
            Ast::Identifier(_, name) => self.apply(name, rest, piped, line),
            Ast::Chain(_, inner, fields) if matches!(**inner, Ast::Identifier(..)) => {
                let Ast::Identifier(_, name) = &**inner else {
                    return Err(self.error(line, "missing function"));
                };
                let value = self.apply(name, rest, piped, line)?;
                Ok(Expr::Chain(Box::new(value), path(fields)))
            }
            _ if piped.is_some() || !rest.is_empty() => {
                Err(self.error(line, "can't give arguments to what is not a function"))
            }
            Ast::Nil(_) => Err(self.error(line, "nil is not a command")),
            value => self.expr(value),
        }
    }

    fn apply(
        &mut self,
        name: &str,
        arguments: &[Ast],
        piped: Option<Expr>,
        line: usize,
    ) -> Result<Expr, CompileError> {
        let mut values = Vec::with_capacity(arguments.len() + 1);
        for argument in arguments {
            values.push(self.expr(argument)?);
        }
        values.extend(piped);
        match name {
            "and" | "or" if values.is_empty() => {
                Err(self.error(line, format!("{name} needs at least one argument")))
            }
            "and" => Ok(Expr::And(values)),
            "or" => Ok(Expr::Or(values)),
            _ => match functions::find(name) {
                Ok(function) => Ok(Expr::Apply(function, values)),
                Err(cause) => Err(self.error(line, cause)),
            },
        }
    }

    fn expr(&mut self, expr: &Ast) -> Result<Expr, CompileError> {
        Ok(match expr {
            Ast::Dot(_) => Expr::Dot,
            Ast::Field(_, fields) => Expr::Field(path(fields)),
            Ast::Variable(pos, name, fields) => Expr::Variable(self.lookup(name, pos.line)?, path(fields)),
            Ast::Identifier(pos, name) => self.apply(name, &[], None, pos.line)?,
            Ast::String(_, text) => Expr::Const(Data::Text(Arc::clone(text))),
            Ast::Number(_, Number::Int(number)) => Expr::Const(Data::Int(*number)),
            Ast::Number(_, Number::Float(number)) => Expr::Const(Data::Float(*number)),
            Ast::Number(pos, Number::Uint(number)) => {
                return Err(self.error(pos.line, format!("{number} overflows int")));
            }
            Ast::Bool(_, flag) => Expr::Const(Data::Bool(*flag)),
            Ast::Nil(_) => Expr::Const(Data::Nil),
            Ast::Pipe(_, pipe) => self.pipe(pipe)?,
            Ast::Chain(_, inner, fields) => Expr::Chain(Box::new(self.expr(inner)?), path(fields)),
        })
    }
}

fn path(fields: &[SmolStr]) -> Vec<Arc<str>> {
    fields.iter().map(|field| Arc::from(field.as_str())).collect()
}
