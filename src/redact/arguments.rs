//! The command line, which `summary.json` quotes: what was asked for may name somebody too.

/// The arguments without the values of the options that take addresses, names or paths of requests.
#[must_use]
pub fn redacted_arguments(arguments: &[String]) -> Vec<String> {
    let mut redacted = Vec::with_capacity(arguments.len());
    let (mut value_follows, mut only_captures) = (false, false);
    for argument in arguments {
        if std::mem::take(&mut value_follows) {
            redacted.push(STAND_IN.to_owned());
            continue;
        }
        only_captures |= argument == "--";
        let name = argument.split_once('=').map_or(argument.as_str(), |(name, _)| name);
        let tells = !only_captures && TELLING.contains(&name);
        value_follows = tells && name == argument;
        redacted.push(if tells && name != argument { format!("{name}={STAND_IN}") } else { argument.clone() });
    }
    redacted
}

/// The options whose values name somebody.
const TELLING: [&str; 3] = ["--host", "--path", "--websocket-server"];

const STAND_IN: &str = "redacted";

#[cfg(test)]
mod tests {
    use super::*;

    fn redacted(line: &str) -> String {
        redacted_arguments(&line.split(' ').map(str::to_owned).collect::<Vec<_>>()).join(" ")
    }

    #[test]
    fn values_that_tell_are_taken_out() {
        assert_eq!(
            redacted("analyze a.pcap --host 10.0.0.1 --path=/user/1 --port 80 --redact"),
            "analyze a.pcap --host redacted --path=redacted --port 80 --redact"
        );
        assert_eq!(redacted("analyze --host --path -- --host"), "analyze --host redacted -- --host");
        assert_eq!(redacted("analyze --host"), "analyze --host");
    }
}
