//! From SQL text to an expression whose parts have kinds. What Tidemill does not know is refused by name.

use std::sync::Arc;

use arrow::array::{BooleanArray, Float64Array, StringArray};
use sqlparser::ast::{
    BinaryOperator, CaseWhen, CastKind, DataType, DateTimeField, Expr, Function as Call, FunctionArg, FunctionArgExpr,
    FunctionArguments, Ident, InTarget, UnaryOperator, Value as Literal,
};
use sqlparser::dialect::GenericDialect;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::Token;

use super::functions::{FUNCTIONS, Function, Takes};
use super::{Kernel, Named, Node, Typed, Value, cast, operators, value};
use crate::schema::step::Kind;

/// A part, or why there is none.
type Part = Result<Typed, String>;

/// Reads one expression.
pub(super) fn compile(text: &str, columns: &[Named]) -> Part {
    let plain = |error: sqlparser::parser::ParserError| error.to_string().replace("sql parser error: ", "");
    let mut parser = Parser::new(&GenericDialect {}).try_with_sql(text).map_err(plain)?;
    let expression = parser.parse_expr().map_err(plain)?;
    match parser.next_token().token {
        Token::EOF => Compiler { columns }.part(&expression),
        rest => Err(format!("it goes on with \"{rest}\" where it should end")),
    }
}

struct Compiler<'a> {
    columns: &'a [Named],
}

impl Compiler<'_> {
    fn part(&self, expression: &Expr) -> Part {
        match expression {
            Expr::Identifier(name) => self.column(&name.value),
            Expr::CompoundIdentifier(names) => self.column(&path(names)),
            Expr::Value(value) => literal(&value.value),
            Expr::Nested(inner) => self.part(inner),
            Expr::UnaryOp { op, expr } => self.unary(*op, expr),
            Expr::BinaryOp { left, op, right } => self.binary(left, op, right),
            Expr::IsNull(inner) => self.is(inner, operators::is_missing),
            Expr::IsNotNull(inner) => self.is(inner, operators::is_there),
            Expr::IsTrue(inner) => self.condition(inner).map(is_true),
            Expr::IsNotTrue(inner) => self.condition(inner).map(is_true).map(not),
            Expr::IsFalse(inner) => self.condition(inner).map(not).map(is_true),
            Expr::IsNotFalse(inner) => self.condition(inner).map(not).map(is_true).map(not),
            Expr::In { expr, target: InTarget::List(list), negated, .. } => self.is_in(expr, list, *negated),
            Expr::Between { expr, negated, low, high } => self.between(expr, low, high, *negated),
            Expr::Like { negated, any: false, expr, pattern, escape_char: None } => {
                self.like(operators::like, expr, pattern, *negated)
            }
            Expr::ILike { negated, any: false, expr, pattern, escape_char: None } => {
                self.like(operators::ilike, expr, pattern, *negated)
            }
            Expr::Case { operand, conditions, else_result, .. } => {
                self.case(operand.as_deref(), conditions, else_result.as_deref())
            }
            Expr::Cast { kind, expr, data_type, format: None } => self.cast(kind, expr, data_type),
            Expr::Extract { field, expr, .. } => self.call(part_name(field)?, &[expr]),
            Expr::Ceil { expr, .. } => self.call("ceil", &[expr]),
            Expr::Floor { expr, .. } => self.call("floor", &[expr]),
            Expr::Trim { expr, trim_where: None, trim_what: None, .. } => self.call("trim", &[expr]),
            Expr::Substring { expr, substring_from, substring_for, .. } => {
                self.substring(expr, substring_from.as_deref(), substring_for.as_deref())
            }
            Expr::Function(call) => self.function(call),
            // `user` is a word of SQL: what comes of `user.id` is a column all the same.
            other if self.columns.iter().any(|column| column.name == other.to_string()) => {
                self.column(&other.to_string())
            }
            other => Err(format!("{other} is SQL that Tidemill does not know; {KNOWN}")),
        }
    }

    fn column(&self, name: &str) -> Part {
        let at = self.columns.iter().position(|column| column.name == name).ok_or_else(|| {
            let names: Vec<_> = self.columns.iter().map(|column| column.name.as_str()).collect();
            format!(
                "there is no column \"{name}\" here; there are {} (text stands in single quotes, a name with other \
                 signs than letters and digits in double ones)",
                names.join(", ")
            )
        })?;
        Ok(Typed { kind: Some(self.columns[at].kind), node: Node::Column(at) })
    }

    fn condition(&self, expression: &Expr) -> Part {
        self.of(Kind::Boolean, expression)
    }

    /// A part that must be of a kind.
    fn of(&self, kind: Kind, expression: &Expr) -> Part {
        fitting(self.part(expression)?, kind, &expression.to_string())
    }

    fn is(&self, inner: &Expr, kernel: Kernel) -> Part {
        Ok(called(Kind::Boolean, kernel, vec![self.part(inner)?]))
    }

    fn unary(&self, operator: UnaryOperator, inner: &Expr) -> Part {
        match operator {
            UnaryOperator::Plus => self.of(Kind::Number, inner),
            UnaryOperator::Minus => Ok(called(Kind::Number, operators::negate, vec![self.of(Kind::Number, inner)?])),
            UnaryOperator::Not => self.condition(inner).map(not),
            other => Err(format!("Tidemill does not know the operator {other}; {KNOWN}")),
        }
    }

    fn binary(&self, left: &Expr, operator: &BinaryOperator, right: &Expr) -> Part {
        let of = |takes, gives, kernel: Kernel| {
            Ok(called(gives, kernel, vec![self.of(takes, left)?, self.of(takes, right)?]))
        };
        match operator {
            BinaryOperator::Plus => of(Kind::Number, Kind::Number, operators::add),
            BinaryOperator::Minus => of(Kind::Number, Kind::Number, operators::subtract),
            BinaryOperator::Multiply => of(Kind::Number, Kind::Number, operators::multiply),
            BinaryOperator::Divide => of(Kind::Number, Kind::Number, operators::divide),
            BinaryOperator::Modulo => of(Kind::Number, Kind::Number, operators::remainder),
            BinaryOperator::StringConcat => of(Kind::Text, Kind::Text, operators::join),
            BinaryOperator::And => of(Kind::Boolean, Kind::Boolean, operators::and),
            BinaryOperator::Or => of(Kind::Boolean, Kind::Boolean, operators::or),
            BinaryOperator::Eq => self.compare(operators::equal, left, right),
            BinaryOperator::NotEq => self.compare(operators::not_equal, left, right),
            BinaryOperator::Lt => self.compare(operators::less, left, right),
            BinaryOperator::LtEq => self.compare(operators::less_or_equal, left, right),
            BinaryOperator::Gt => self.compare(operators::greater, left, right),
            BinaryOperator::GtEq => self.compare(operators::greater_or_equal, left, right),
            other => Err(format!("Tidemill does not know the operator {other}; {KNOWN}")),
        }
    }

    fn compare(&self, kernel: Kernel, left: &Expr, right: &Expr) -> Part {
        let (parts, _) = alike(vec![self.part(left)?, self.part(right)?], &format!("{left} and {right}"))?;
        Ok(called(Kind::Boolean, kernel, parts))
    }

    fn is_in(&self, inner: &Expr, list: &[Expr], negated: bool) -> Part {
        let mut any: Option<Typed> = None;
        for one in list {
            let equal = self.compare(operators::equal, inner, one)?;
            any = Some(match any {
                None => equal,
                Some(before) => called(Kind::Boolean, operators::or, vec![before, equal]),
            });
        }
        let any = any.ok_or("IN needs a list with at least one value")?;
        Ok(if negated { not(any) } else { any })
    }

    fn between(&self, inner: &Expr, low: &Expr, high: &Expr, negated: bool) -> Part {
        let from = self.compare(operators::greater_or_equal, inner, low)?;
        let to = self.compare(operators::less_or_equal, inner, high)?;
        let both = called(Kind::Boolean, operators::and, vec![from, to]);
        Ok(if negated { not(both) } else { both })
    }

    fn like(&self, kernel: Kernel, inner: &Expr, pattern: &Expr, negated: bool) -> Part {
        let like = called(Kind::Boolean, kernel, vec![self.of(Kind::Text, inner)?, self.of(Kind::Text, pattern)?]);
        Ok(if negated { not(like) } else { like })
    }

    /// `CASE`, from the last condition to the first; without ELSE, what is left is missing.
    fn case(&self, operand: Option<&Expr>, conditions: &[CaseWhen], otherwise: Option<&Expr>) -> Part {
        let mut results: Vec<_> =
            conditions.iter().map(|when| self.part(&when.result)).collect::<Result<_, String>>()?;
        results.push(match otherwise {
            Some(otherwise) => self.part(otherwise)?,
            None => literal(&Literal::Null)?,
        });
        let (mut results, kind) = alike(results, "the results of CASE")?;
        let mut chosen = results.pop().ok_or("CASE needs a result")?;
        for (when, result) in conditions.iter().zip(results).rev() {
            let condition = match operand {
                Some(operand) => self.compare(operators::equal, operand, &when.condition)?,
                None => self.condition(&when.condition)?,
            };
            chosen = called(kind, operators::choose, vec![condition, result, chosen]);
        }
        Ok(chosen)
    }

    fn cast(&self, how: &CastKind, inner: &Expr, to: &DataType) -> Part {
        let strict = matches!(how, CastKind::Cast | CastKind::DoubleColon);
        let (kind, kernel): (_, Kernel) = match (kind_of(to)?, strict) {
            (Kind::Number, true) => (Kind::Number, cast::cast::<0>),
            (Kind::Number, false) => (Kind::Number, cast::try_cast::<0>),
            (Kind::Text, true) => (Kind::Text, cast::cast::<1>),
            (Kind::Text, false) => (Kind::Text, cast::try_cast::<1>),
            (Kind::Boolean, true) => (Kind::Boolean, cast::cast::<2>),
            (Kind::Boolean, false) => (Kind::Boolean, cast::try_cast::<2>),
            (Kind::Time, true) => (Kind::Time, cast::cast::<3>),
            (Kind::Time, false) => (Kind::Time, cast::try_cast::<3>),
        };
        Ok(called(kind, kernel, vec![self.part(inner)?]))
    }

    fn substring(&self, text: &Expr, from: Option<&Expr>, count: Option<&Expr>) -> Part {
        let number = |expression: Option<&Expr>, otherwise: f64| match expression {
            Some(expression) => self.of(Kind::Number, expression),
            None => Ok(constant(Kind::Number, Value::Single(Arc::new(Float64Array::from(vec![otherwise]))))),
        };
        let parts = vec![self.of(Kind::Text, text)?, number(from, 1.0)?, number(count, f64::from(i32::MAX))?];
        Ok(called(Kind::Text, named("substr")?.kernel, parts))
    }

    fn function(&self, call: &Call) -> Part {
        let name = call.name.to_string().to_lowercase();
        let FunctionArguments::List(list) = &call.args else {
            return Err(format!("{call} is a function that Tidemill does not know; {KNOWN}"));
        };
        let arguments = list.args.iter().map(|argument| match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expression)) => Ok(expression),
            other => Err(format!("{other} is no value to call {name} with")),
        });
        self.call(&name, &arguments.collect::<Result<Vec<_>, _>>()?)
    }

    fn call(&self, name: &str, arguments: &[&Expr]) -> Part {
        let function = named(name)?;
        let parts = match function.takes {
            Takes::Exactly(kinds) if kinds.len() == arguments.len() => {
                let of_kind = kinds.iter().zip(arguments).map(|(&kind, argument)| self.of(kind, argument));
                of_kind.collect::<Result<Vec<_>, _>>()?
            }
            Takes::Some(kind) if !arguments.is_empty() => {
                arguments.iter().map(|argument| self.of(kind, argument)).collect::<Result<Vec<_>, _>>()?
            }
            Takes::Alike | Takes::TwoAlike if arguments.len() == 2 || is_alike(function) && !arguments.is_empty() => {
                let parts = arguments.iter().map(|argument| self.part(argument)).collect::<Result<Vec<_>, _>>()?;
                let (parts, kind) = alike(parts, &format!("the values of {name}"))?;
                return Ok(called(kind, function.kernel, parts));
            }
            _ => return Err(format!("{name} takes another number of values than {}", arguments.len())),
        };
        Ok(called(function.gives.unwrap_or(Kind::Text), function.kernel, parts))
    }
}

/// What there is, for whoever looks for something else.
const KNOWN: &str = "it knows + - * / %, ||, comparisons, AND OR NOT, IN, BETWEEN, LIKE, ILIKE, IS NULL, CASE, CAST, \
                     TRY_CAST, EXTRACT and the functions in its documentation";

fn is_alike(function: &Function) -> bool {
    matches!(function.takes, Takes::Alike)
}

fn named(name: &str) -> Result<&'static Function, String> {
    FUNCTIONS.iter().find(|function| function.name == name).ok_or_else(|| {
        let names: Vec<_> = FUNCTIONS.iter().map(|function| function.name).collect();
        format!("there is no function {name}; there are {}", names.join(", "))
    })
}

fn path(names: &[Ident]) -> String {
    names.iter().map(|name| name.value.as_str()).collect::<Vec<_>>().join(".")
}

fn called(kind: Kind, kernel: Kernel, parts: Vec<Typed>) -> Typed {
    Typed { kind: Some(kind), node: Node::Call(kernel, parts) }
}

fn constant(kind: Kind, value: Value) -> Typed {
    Typed { kind: Some(kind), node: Node::Constant(value) }
}

fn not(part: Typed) -> Typed {
    called(Kind::Boolean, operators::not, vec![part])
}

fn is_true(part: Typed) -> Typed {
    called(Kind::Boolean, operators::is_true, vec![part])
}

fn literal(value: &Literal) -> Part {
    match value {
        Literal::Number(digits, _) => {
            let number: f64 = digits.parse().map_err(|_| format!("{digits} is no number"))?;
            Ok(constant(Kind::Number, Value::Single(Arc::new(Float64Array::from(vec![number])))))
        }
        Literal::SingleQuotedString(text) => {
            Ok(constant(Kind::Text, Value::Single(Arc::new(StringArray::from(vec![text.as_str()])))))
        }
        Literal::Boolean(truth) => {
            Ok(constant(Kind::Boolean, Value::Single(Arc::new(BooleanArray::from(vec![*truth])))))
        }
        Literal::Null => Ok(Typed { kind: None, node: Node::Constant(value::null(Kind::Text)) }),
        other => Err(format!("{other} is a value that Tidemill does not know; text stands in single quotes")),
    }
}

/// A part as one of `kind`: a bare NULL becomes it, and a constant text a time.
fn fitting(part: Typed, kind: Kind, what: &str) -> Part {
    match part.kind {
        Some(own) if own == kind => Ok(part),
        None => Ok(constant(kind, value::null(kind))),
        Some(Kind::Text) if kind == Kind::Time && matches!(part.node, Node::Constant(_)) => {
            Ok(called(Kind::Time, cast::cast::<3>, vec![part]))
        }
        Some(own) => Err(format!(
            "{what} is {}, and {} is needed; CAST({what} AS {}) makes one of the other",
            own.name(),
            kind.name(),
            match kind {
                Kind::Number => "DOUBLE",
                Kind::Text => "TEXT",
                Kind::Boolean => "BOOLEAN",
                Kind::Time => "TIMESTAMP",
            }
        )),
    }
}

/// Parts of one kind: times where one is, else that of the first.
fn alike(parts: Vec<Typed>, what: &str) -> Result<(Vec<Typed>, Kind), String> {
    let kinds = || parts.iter().filter_map(|part| part.kind);
    let kind = kinds().find(|kind| *kind == Kind::Time).or(kinds().next()).unwrap_or(Kind::Text);
    let parts: Result<Vec<_>, _> = parts.into_iter().map(|part| fitting(part, kind, "one of them")).collect();
    parts.map(|parts| (parts, kind)).map_err(|reason| format!("{what} are of two kinds: {reason}"))
}

fn kind_of(data_type: &DataType) -> Result<Kind, String> {
    match data_type {
        DataType::Double(_) | DataType::DoublePrecision | DataType::Float(_) | DataType::Real | DataType::Float64 => {
            Ok(Kind::Number)
        }
        DataType::Int(_) | DataType::Integer(_) | DataType::BigInt(_) | DataType::Numeric(_) | DataType::Decimal(_) => {
            Err(format!("there is one kind of number, DOUBLE, instead of {data_type}; floor() makes it whole"))
        }
        DataType::Text | DataType::Varchar(_) | DataType::String(_) => Ok(Kind::Text),
        DataType::Boolean | DataType::Bool => Ok(Kind::Boolean),
        DataType::Timestamp(..) | DataType::Datetime(_) => Ok(Kind::Time),
        other => Err(format!("{other} is no kind of value here: DOUBLE, TEXT, BOOLEAN and TIMESTAMP are")),
    }
}

/// The function that stands for `EXTRACT(field FROM ...)`.
fn part_name(field: &DateTimeField) -> Result<&'static str, String> {
    let name = field.to_string().to_lowercase();
    let parts = ["year", "month", "day", "hour", "minute", "second", "dow", "doy", "week", "epoch"];
    parts
        .into_iter()
        .find(|part| *part == name)
        .ok_or_else(|| format!("{name} is no part of a time that Tidemill knows: it knows {}", parts.join(", ")))
}
