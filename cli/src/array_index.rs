//! Which part of an array job this process is, as its scheduler says.

use crate::errors::{Failure, Result};

/// The variables, in their order, and the number that each gives to the first part.
const VARIABLES: [(&str, u64); 5] = [
    ("TENANTSEAL_SWEEP_INDEX", 0),
    ("JOB_COMPLETION_INDEX", 0),
    ("AWS_BATCH_JOB_ARRAY_INDEX", 0),
    ("SLURM_ARRAY_TASK_ID", 0),
    ("SGE_TASK_ID", 1),
];

/// The index of this process, from 0; `None` when it is no part of an array job.
pub(crate) fn from_environment() -> Result<Option<u64>> {
    of(|name| std::env::var(name).ok())
}

fn of(variable: impl Fn(&str) -> Option<String>) -> Result<Option<u64>> {
    for (name, first) in VARIABLES {
        // Grid Engine sets it for other jobs too.
        let Some(text) = variable(name).filter(|text| !text.is_empty() && text != "undefined") else { continue };
        let index = text.parse::<u64>().ok().and_then(|index| index.checked_sub(first));
        let wrong = || Failure::usage(format!("{name} is no index: `{text}`"));
        return index.map(Some).ok_or_else(wrong);
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_pairs(pairs: &[(&str, &str)]) -> Result<Option<u64>> {
        of(|name| pairs.iter().find(|(given, _)| *given == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn each_schedulers_first_part_is_0() {
        for (name, first) in VARIABLES {
            assert_eq!(of_pairs(&[(name, &first.to_string())]).unwrap(), Some(0), "{name}");
            assert_eq!(of_pairs(&[(name, &(first + 7).to_string())]).unwrap(), Some(7), "{name}");
            assert!(of_pairs(&[(name, "first")]).is_err(), "{name}");
        }
        assert_eq!(of_pairs(&[("TENANTSEAL_SWEEP_INDEX", "3"), ("SGE_TASK_ID", "9")]).unwrap(), Some(3));
        assert_eq!(of_pairs(&[("SGE_TASK_ID", "undefined")]).unwrap(), None);
        assert!(of_pairs(&[("SGE_TASK_ID", "0")]).is_err());
    }
}
