//! Runs compiled templates.

use std::sync::Arc;

use super::data::Data;
use super::format;
use super::functions::Function;
use super::program::{Branch, Expr, Op, Program, Template};

/// Templates that may be inside one another; Helm allows 1,000, which our stack does not.
const DEPTH: usize = 64;
/// Steps one rendering may take.
const STEPS: u64 = 20_000_000;
/// Bytes one rendering may write, nested templates included.
const BYTES: usize = 256 << 20;

/// Why a rendering ended early, with the place.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) cause: String,
    /// File and line, the innermost first.
    pub(crate) trace: Vec<(Arc<str>, u32)>,
}

impl Fault {
    fn at(mut self, template: &Template, line: u32) -> Self {
        self.trace.push((Arc::clone(&template.file), line));
        self
    }
}

impl From<String> for Fault {
    fn from(cause: String) -> Self {
        Self { cause, trace: Vec::new() }
    }
}

impl From<&str> for Fault {
    fn from(cause: &str) -> Self {
        Self::from(cause.to_owned())
    }
}

/// What a list of steps ended with.
enum Flow {
    Next,
    Break,
    Continue,
}

/// One rendering: the templates and what is left of the budgets.
pub(crate) struct Machine<'p> {
    program: &'p Program,
    depth: usize,
    steps: u64,
    bytes: usize,
}

/// The variables of one running template.
struct Frame<'p> {
    template: &'p Template,
    slots: Vec<Data>,
}

impl<'p> Machine<'p> {
    pub(crate) fn new(program: &'p Program) -> Self {
        Self { program, depth: 0, steps: STEPS, bytes: BYTES }
    }

    /// Renders a named template over a value.
    pub(crate) fn run(&mut self, name: &str, dot: &Data) -> Result<String, Fault> {
        let mut out = String::new();
        self.call(name, dot, &mut out)?;
        Ok(out)
    }

    fn call(&mut self, name: &str, dot: &Data, out: &mut String) -> Result<(), Fault> {
        let Some(&id) = self.program.names.get(name) else {
            return Err(format!("template {name:?} is not defined").into());
        };
        self.within(|machine| {
            let template = &machine.program.templates[id];
            let mut frame = Frame { template, slots: vec![Data::Nil; template.slots] };
            frame.slots[0] = dot.clone();
            match machine.ops(&template.body, &mut frame, dot, out)? {
                Flow::Next => Ok(()),
                Flow::Break | Flow::Continue => Err("break or continue outside of range".into()),
            }
        })
    }

    fn within<T>(&mut self, run: impl FnOnce(&mut Self) -> Result<T, Fault>) -> Result<T, Fault> {
        if self.depth == DEPTH {
            return Err(format!("templates include each other more than {DEPTH} deep").into());
        }
        self.depth += 1;
        let result = run(self);
        self.depth -= 1;
        result
    }

    fn spend(&mut self, bytes: usize) -> Result<(), Fault> {
        self.steps = self.steps.checked_sub(1).ok_or("the template does not end: too many steps")?;
        self.bytes = self.bytes.checked_sub(bytes).ok_or("the template writes too much")?;
        Ok(())
    }

    fn ops(
        &mut self,
        ops: &'p [Op],
        frame: &mut Frame<'p>,
        dot: &Data,
        out: &mut String,
    ) -> Result<Flow, Fault> {
        for op in ops {
            let flow = match op {
                Op::Text(text) => {
                    self.spend(text.len())?;
                    out.push_str(text);
                    continue;
                }
                Op::Print(value, line) => {
                    self.print(value, frame, dot, out).map_err(|fault| fault.at(frame.template, *line))?;
                    continue;
                }
                Op::Assign(slot, value, line) => {
                    let value =
                        self.eval(value, frame, dot).map_err(|fault| fault.at(frame.template, *line))?;
                    frame.slots[*slot] = value;
                    continue;
                }
                Op::If(branch) => {
                    let subject = self.subject(branch, frame, dot)?;
                    let body = if subject.is_true() { &branch.body } else { &branch.otherwise };
                    self.ops(body, frame, dot, out)?
                }
                Op::With(branch) => {
                    let subject = self.subject(branch, frame, dot)?;
                    if subject.is_true() {
                        if let [slot] = branch.slots[..] {
                            frame.slots[slot] = subject.clone();
                        }
                        self.ops(&branch.body, frame, &subject, out)?
                    } else {
                        self.ops(&branch.otherwise, frame, dot, out)?
                    }
                }
                Op::Range(branch) => self.range(branch, frame, dot, out)?,
                Op::Call(name, argument, line) => {
                    self.nested(name, argument.as_ref(), frame, dot, out)
                        .map_err(|fault| fault.at(frame.template, *line))?;
                    continue;
                }
                Op::Break => Flow::Break,
                Op::Continue => Flow::Continue,
            };
            if !matches!(flow, Flow::Next) {
                return Ok(flow);
            }
        }
        Ok(Flow::Next)
    }

    fn subject(&mut self, branch: &'p Branch, frame: &mut Frame<'p>, dot: &Data) -> Result<Data, Fault> {
        self.spend(0)?;
        let subject =
            self.eval(&branch.subject, frame, dot).map_err(|fault| fault.at(frame.template, branch.line))?;
        Ok(subject)
    }

    fn range(
        &mut self,
        branch: &'p Branch,
        frame: &mut Frame<'p>,
        dot: &Data,
        out: &mut String,
    ) -> Result<Flow, Fault> {
        let subject = self.subject(branch, frame, dot)?;
        if !subject.is_true() {
            return self.ops(&branch.otherwise, frame, dot, out);
        }
        match &subject {
            Data::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    let index = Data::Int(i64::try_from(index).unwrap_or(i64::MAX));
                    if let Flow::Break = self.round(branch, frame, index, item, out)? {
                        break;
                    }
                }
            }
            Data::Map(entries) => {
                for (key, value) in entries.iter() {
                    if let Flow::Break = self.round(branch, frame, Data::Text(Arc::clone(key)), value, out)? {
                        break;
                    }
                }
            }
            Data::Int(count) => {
                for index in 0..*count {
                    if let Flow::Break =
                        self.round(branch, frame, Data::Int(index), &Data::Int(index), out)?
                    {
                        break;
                    }
                }
            }
            other => {
                let fault = Fault::from(format!("range can't iterate over {}", format::display(other)));
                return Err(fault.at(frame.template, branch.line));
            }
        }
        Ok(Flow::Next)
    }

    /// One pass through the body of a `range`.
    fn round(
        &mut self,
        branch: &'p Branch,
        frame: &mut Frame<'p>,
        index: Data,
        item: &Data,
        out: &mut String,
    ) -> Result<Flow, Fault> {
        self.spend(0)?;
        match branch.slots[..] {
            [value] => frame.slots[value] = item.clone(),
            [key, value] => {
                frame.slots[key] = index;
                frame.slots[value] = item.clone();
            }
            _ => {}
        }
        self.ops(&branch.body, frame, item, out)
    }

    fn print(
        &mut self,
        value: &'p Expr,
        frame: &mut Frame<'p>,
        dot: &Data,
        out: &mut String,
    ) -> Result<(), Fault> {
        let before = out.len();
        match self.eval(value, frame, dot)? {
            Data::Nil => out.push_str(super::NO_VALUE),
            other => format::print(out, &other),
        }
        self.spend(out.len() - before)
    }

    fn nested(
        &mut self,
        name: &str,
        argument: Option<&'p Expr>,
        frame: &mut Frame<'p>,
        dot: &Data,
        out: &mut String,
    ) -> Result<(), Fault> {
        let argument = argument.map_or(Ok(Data::Nil), |argument| self.eval(argument, frame, dot))?;
        self.call(name, &argument, out)
    }

    fn eval(&mut self, expr: &'p Expr, frame: &mut Frame<'p>, dot: &Data) -> Result<Data, Fault> {
        match expr {
            Expr::Dot => Ok(dot.clone()),
            Expr::Const(value) => Ok(value.clone()),
            Expr::Field(path) => walk(dot, path),
            Expr::Variable(slot, path) => walk(&frame.slots[*slot], path),
            Expr::Chain(inner, path) => walk(&self.eval(inner, frame, dot)?, path),
            Expr::And(values) => self.decide(values, frame, dot, |value| !value.is_true()),
            Expr::Or(values) => self.decide(values, frame, dot, Data::is_true),
            Expr::Apply(function, arguments) => {
                let mut values = Vec::with_capacity(arguments.len());
                for argument in arguments {
                    values.push(self.eval(argument, frame, dot)?);
                }
                self.apply(function, &values)
            }
        }
    }

    /// `and` and `or`: the first value that decides, or the last one.
    fn decide(
        &mut self,
        values: &'p [Expr],
        frame: &mut Frame<'p>,
        dot: &Data,
        decides: impl Fn(&Data) -> bool,
    ) -> Result<Data, Fault> {
        let mut last = Data::Nil;
        for value in values {
            last = self.eval(value, frame, dot)?;
            if decides(&last) {
                break;
            }
        }
        Ok(last)
    }

    fn apply(&mut self, function: &Function, values: &[Data]) -> Result<Data, Fault> {
        let value = match function {
            Function::Include => match values {
                [Data::Text(name), dot] => return Ok(Data::text(self.run(name, dot)?)),
                _ => return Err("include needs the name of a template and a value".into()),
            },
            Function::Pure(name, run) => run(values).map_err(|cause| format!("{name}: {cause}"))?,
            // `fail` and `required` carry the chart's own words.
            Function::Verdict(run) => run(values)?,
        };
        if let Data::Text(text) = &value {
            self.spend(text.len())?;
        }
        Ok(value)
    }
}

/// Follows fields into a value. An absent last field is nil; a field of nil is an error, as in Helm.
fn walk(value: &Data, path: &[Arc<str>]) -> Result<Data, Fault> {
    let mut value = value;
    for name in path {
        value = match value {
            Data::Map(entries) => entries.get(name).unwrap_or(&Data::Nil),
            Data::Nil => return Err(format!("nil pointer evaluating interface {{}}.{name}").into()),
            other => return Err(format!("can't evaluate field {name} in type {}", other.type_name()).into()),
        };
    }
    Ok(value.clone())
}
