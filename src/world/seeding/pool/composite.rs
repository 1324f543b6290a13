//! Values of types with parts: ranges, arrays, documents, and whatever else a type may be.

use serde_json::json;
use uuid::Uuid;

use crate::tenancy::keys::token;
use crate::world::seeding::pool::document::{documents_of, nested};
use crate::world::seeding::pool::draft::{Draft, MORE, date};
use crate::world::seeding::values;

impl Draft<'_> {
    pub(crate) fn ranges(&mut self) {
        self.values.extend(self.named());
        let is_multi = self.column.base_type.ends_with("multirange");
        let open = |range: String| if is_multi { format!("{{{range}}}") } else { range };
        let mut ranges = vec![String::from("[1,2)"), "[1,10)".into(), "[0,100)".into()];
        ranges.extend(["[2024-01-01,2024-01-02)".into(), "[2024-01-01,2024-02-01)".into()]);
        for at in 0..MORE {
            let first = self.number(at, 1_000_000_000);
            ranges.push(format!("[{first},{})", first + 1));
            let day = self.number(at, 3000);
            ranges.push(format!("[{},{})", date(day), date(day + 1)));
        }
        for count in self.counts() {
            ranges.push(format!("[{count},{})", count.saturating_add(1)));
            ranges.push(format!("[{},{count})", count.saturating_sub(1)));
        }
        ranges.push("[1,)".into());
        ranges.push("[2024-01-01,)".into());
        ranges.push("(,)".into());
        self.values.extend(ranges.into_iter().map(open));
        self.add(if is_multi { "{}" } else { "empty" });
    }

    pub(crate) fn arrays(&mut self) {
        let token = token(self.row.owner);
        let quoted = |text: &str| json!(text).to_string();
        let mut elements: Vec<String> = self.named().iter().map(|text| quoted(text)).collect();
        elements.extend(self.column.element_labels.iter().flatten().map(|label| quoted(label)));
        elements.push(quoted(&token));
        elements.extend(self.counts().iter().map(ToString::to_string));
        let id = Uuid::new_v5(&Uuid::NAMESPACE_OID, self.row.seed.as_bytes()).to_string();
        for text in ["1", &id, "2024-01-01", "1 day", "192.0.2.1", "[1,2)", "{}", "t", "x"] {
            elements.push(quoted(text));
        }
        for at in 0..4 {
            elements.push(self.number(at, 30_000).to_string());
        }
        let mut lengths: Vec<usize> = vec![1, 2, 3];
        let counts = self.counts();
        let counts = counts.iter().filter_map(|count| usize::try_from(*count).ok());
        lengths.extend(counts.filter(|count| *count <= 50).flat_map(|n| [n, n + 1]));
        self.add("{}");
        for length in lengths {
            for element in &elements {
                let list = vec![element.as_str(); length].join(",");
                self.values.push(format!("{{{list}}}"));
            }
        }
        let all = self.named().iter().map(|text| quoted(text)).collect::<Vec<_>>().join(",");
        self.add(format!("{{{all}}}"));
        for element in elements {
            self.values.push(format!("{{{{{element},{element}}},{{{element},{element}}}}}"));
        }
    }

    pub(crate) fn documents(&mut self) {
        let token = token(self.row.owner);
        let named = self.named();
        let token_value = json!(token);
        for text in &named {
            documents_of(text).iter().for_each(|document| self.add(document.to_string()));
        }
        if let Some((last, keys)) = named.split_last() {
            self.add(nested(keys, json!(last)).to_string());
            self.add(nested(&named, json!(true)).to_string());
        }
        self.add(json!({ "leakproof": token_value }).to_string());
        self.add(json!([token_value]).to_string());
        self.add(json!([{ "leakproof": token_value }]).to_string());
        for pair in named.windows(2) {
            self.add(json!({ &pair[0]: pair[1] }).to_string());
        }
        let samples = [
            json!(token),
            json!(1),
            json!(true),
            json!([token]),
            json!({ "leakproof": token }),
            json!([]),
            json!({}),
            json!(null),
            json!("2024-01-01"),
            json!([1, 2]),
        ];
        for sample in &samples {
            let mut whole = serde_json::Map::new();
            for name in &named {
                self.add(json!({ name: sample }).to_string());
                whole.insert(name.clone(), sample.clone());
            }
            self.add(json!(whole).to_string());
            self.add(sample.to_string());
        }
        for count in self.counts() {
            for length in [count, count + 1] {
                let length = usize::try_from(length).unwrap_or(0).min(50);
                self.add(json!(vec![token.as_str(); length]).to_string());
            }
        }
        // Every pair of a key and a value that are named at all.
        for name in named.iter().take(6) {
            for value in named.iter().take(6) {
                self.add(json!({ name: value }).to_string());
            }
        }
        for at in 0..MORE {
            let number = self.number(at, 1_000_000);
            self.add(json!({ "leakproof": token, "number": number }).to_string());
        }
    }

    pub(crate) fn others(&mut self) {
        self.values.extend(self.named());
        let [n, token] = [self.number(0, 1000).to_string(), token(self.row.owner)];
        let size = values::size(self.column).clamp(1, 5000);
        for value in [
            token.as_str(),
            "",
            "0",
            "1",
            "{}",
            "[1,2,3]",
            "[1]",
            "(0,0)",
            "a",
            "leakproof",
            "2024-01-01",
            "<a/>",
            "\"a\"=>\"1\"",
            "a.b",
            "1.0.0",
            "{1:1}/3",
            "0/0",
            "[1,2)",
            "192.0.2.1",
            "00000000-0000-0000-0000-000000000000",
            "POINT(0 0)",
            "x@example.com",
            "00:00:5e:00:53:01",
            "((0,0),(1,1))",
            "<(0,0),1>",
            "{1,0,0}",
            "1 day",
            "t",
            "()",
            "$",
            "US",
            "+15555550100",
            "https://example.com/",
            "00:00:5e:00:53:01:00:01",
        ] {
            self.add(value);
        }
        self.add(format!("[{}]", vec!["1"; size].join(",")));
        // The fields of a row type.
        let parts = self.column.parts;
        for field in ["", "1", "a", "2024-01-01", "t", &n] {
            self.add(format!("({})", vec![field; parts.max(1)].join(",")));
        }
        for at in 0..MORE {
            let number = self.number(at, 1000);
            self.add(number.to_string());
            self.add(format!("({number},{number})"));
            self.add(format!("\"leakproof\"=>\"{number}\""));
            self.add(format!("00:00:5e:00:{:02x}:{:02x}", number % 256, self.number(at, 256)));
            self.add(format!("leakproof{number}"));
        }
    }
}
