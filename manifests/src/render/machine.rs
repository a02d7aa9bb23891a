//! Runs compiled templates.

use std::sync::Arc;

use super::data::Data;
use super::format;
use super::functions::Function;
use super::program::{Branch, Expr, Op, Program, Template};

/// How deep templates, blocks and calls may stand within one another, all counted together. Charts need about 50; Helm allows 1,000
/// templates alone, which our stack does not.
const DEPTH: usize = 200;
/// Steps one rendering may take; an install takes some ten thousand.
const STEPS: u64 = 1_000_000;
/// Bytes one rendering may write, nested templates and intermediate text included.
pub(super) const BYTES: usize = 32 << 20;

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
            return Err(format!("templates and blocks stand more than {DEPTH} deep in one another").into());
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

    /// Runs the body of a template or block.
    fn ops(
        &mut self,
        ops: &'p [Op],
        frame: &mut Frame<'p>,
        dot: &Data,
        out: &mut String,
    ) -> Result<Flow, Fault> {
        self.within(|machine| {
            for op in ops {
                let flow = machine.step(op, frame, dot, out)?;
                if !matches!(flow, Flow::Next) {
                    return Ok(flow);
                }
            }
            Ok(Flow::Next)
        })
    }

    /// One step. Every kind is a function of its own: what blocks nest in must stay small on the stack.
    fn step(
        &mut self,
        op: &'p Op,
        frame: &mut Frame<'p>,
        dot: &Data,
        out: &mut String,
    ) -> Result<Flow, Fault> {
        match op {
            Op::Text(text) => self.text(text, out),
            Op::Print(value, line) => self.print((value, *line), frame, dot, out),
            Op::Assign(slot, value, line) => self.assign(*slot, (value, *line), frame, dot),
            Op::If(branch) => self.choose(branch, frame, dot, out),
            Op::With(branch) => self.with(branch, frame, dot, out),
            Op::Range(branch) => self.range(branch, frame, dot, out),
            Op::Call(name, argument, line) => self.nested((name, argument.as_ref(), *line), frame, dot, out),
            Op::Break => Ok(Flow::Break),
            Op::Continue => Ok(Flow::Continue),
        }
    }

    fn text(&mut self, text: &str, out: &mut String) -> Result<Flow, Fault> {
        self.spend(text.len())?;
        out.push_str(text);
        Ok(Flow::Next)
    }

    fn assign(
        &mut self,
        slot: usize,
        (value, line): (&'p Expr, u32),
        frame: &mut Frame<'p>,
        dot: &Data,
    ) -> Result<Flow, Fault> {
        frame.slots[slot] = self.eval(value, frame, dot).map_err(|fault| fault.at(frame.template, line))?;
        Ok(Flow::Next)
    }

    fn choose(
        &mut self,
        branch: &'p Branch,
        frame: &mut Frame<'p>,
        dot: &Data,
        out: &mut String,
    ) -> Result<Flow, Fault> {
        let chosen = self.subject(branch, frame, dot)?.is_true();
        self.ops(if chosen { &branch.body } else { &branch.otherwise }, frame, dot, out)
    }

    fn with(
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
        if let [slot] = branch.slots[..] {
            frame.slots[slot] = subject.clone();
        }
        self.ops(&branch.body, frame, &subject, out)
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
        (value, line): (&'p Expr, u32),
        frame: &mut Frame<'p>,
        dot: &Data,
        out: &mut String,
    ) -> Result<Flow, Fault> {
        let value = self.eval(value, frame, dot).map_err(|fault| fault.at(frame.template, line))?;
        let before = out.len();
        match value {
            Data::Nil => out.push_str(super::NO_VALUE),
            other => format::print(out, &other),
        }
        self.spend(out.len() - before).map_err(|fault| fault.at(frame.template, line))?;
        Ok(Flow::Next)
    }

    fn nested(
        &mut self,
        (name, argument, line): (&str, Option<&'p Expr>, u32),
        frame: &mut Frame<'p>,
        dot: &Data,
        out: &mut String,
    ) -> Result<Flow, Fault> {
        let argument = argument.map_or(Ok(Data::Nil), |argument| self.eval(argument, frame, dot));
        let called = argument.and_then(|argument| self.call(name, &argument, out));
        called.map_err(|fault| fault.at(frame.template, line))?;
        Ok(Flow::Next)
    }

    fn eval(&mut self, expr: &'p Expr, frame: &mut Frame<'p>, dot: &Data) -> Result<Data, Fault> {
        match expr {
            Expr::Dot => Ok(dot.clone()),
            Expr::Const(value) => Ok(value.clone()),
            Expr::Field(path) => walk(dot, path),
            Expr::Variable(slot, path) => walk(&frame.slots[*slot], path),
            Expr::Chain(inner, path) => walk(&self.within(|machine| machine.eval(inner, frame, dot))?, path),
            Expr::And(values) => self.decide(values, frame, dot, |value| !value.is_true()),
            Expr::Or(values) => self.decide(values, frame, dot, Data::is_true),
            Expr::Apply(function, arguments) => self.within(|machine| {
                let mut values = Vec::with_capacity(arguments.len());
                for argument in arguments {
                    values.push(machine.eval(argument, frame, dot)?);
                }
                machine.apply(function, &values)
            }),
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
        self.within(|machine| {
            let mut last = Data::Nil;
            for value in values {
                last = machine.eval(value, frame, dot)?;
                if decides(&last) {
                    break;
                }
            }
            Ok(last)
        })
    }

    fn apply(&mut self, function: &Function, values: &[Data]) -> Result<Data, Fault> {
        self.spend(0)?;
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
