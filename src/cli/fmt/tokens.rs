//! The tokens of a TOML text that is known to be in order, blanks passed over.

use toml_parser::Source;
use toml_parser::lexer::{Token, TokenKind};

/// Tokens, read from front to back.
pub struct Tokens<'t> {
    text: &'t str,
    tokens: Vec<Token>,
    at: usize,
}

impl<'t> Tokens<'t> {
    /// Of a text.
    pub fn new(text: &'t str) -> Self {
        let mut tokens = Source::new(text).lex().into_vec();
        tokens.retain(|token| token.kind() != TokenKind::Whitespace);
        Self { text, tokens, at: 0 }
    }

    /// What the next token is; at the end, `Eof` for ever.
    pub fn kind(&self) -> TokenKind {
        self.tokens.get(self.at).map_or(TokenKind::Eof, Token::kind)
    }

    /// Whether the next token is not the first thing on its line.
    pub fn is_indented(&self) -> bool {
        let start = self.tokens.get(self.at).map_or(0, |token| token.span().start());
        !self.text[..start].is_empty() && !self.text[..start].ends_with('\n')
    }

    /// The text of the next token, which is passed.
    pub fn take(&mut self) -> &'t str {
        let token = self.tokens.get(self.at);
        self.at += 1;
        token.map_or("", |token| &self.text[token.span().start()..token.span().end()])
    }

    /// A number, a word or a text, as it is written: up to where a value must end.
    pub fn scalar(&mut self) -> String {
        let start = self.tokens.get(self.at).map_or(self.text.len(), |one| one.span().start());
        let mut end = start;
        while !matches!(
            self.kind(),
            TokenKind::Comma
                | TokenKind::Newline
                | TokenKind::Comment
                | TokenKind::RightSquareBracket
                | TokenKind::RightCurlyBracket
                | TokenKind::Eof
        ) {
            end = self.tokens.get(self.at).map_or(end, |one| one.span().end());
            self.at += 1;
        }
        self.text[start..end].to_owned()
    }

    /// The parts of a dotted key, up to `end`, which is passed.
    pub fn key(&mut self, end: TokenKind) -> Vec<String> {
        let mut parts = Vec::new();
        loop {
            match self.kind() {
                TokenKind::Eof => break,
                TokenKind::Dot => {
                    self.take();
                }
                kind => {
                    let part = self.take();
                    if kind == end {
                        break;
                    }
                    parts.push(part.to_owned());
                }
            }
        }
        parts
    }
}
