//! `.env` in the working directory: variables for the gateway, where the real environment has none.

use crate::environment::Environment;

/// Adds what the file says, as far as it can be read. Returns what is worth a warning.
pub(crate) fn load(environment: &mut Environment) -> Vec<String> {
    let path = environment.path(".env");
    let lines = match dotenvy::from_path_iter(&path) {
        Ok(lines) => lines,
        Err(error) if error.not_found() => return Vec::new(),
        Err(error) => return vec![format!("Warning: failed to read {}: {error}", path.display())],
    };
    let mut variables = Vec::new();
    let mut warning = None;
    for line in lines {
        match line {
            Ok(variable) => variables.push(variable),
            // What cannot be read now cannot be read the next time either.
            Err(dotenvy::Error::Io(error)) => {
                warning = Some(format!("Warning: failed to read {}: {error}", path.display()));
                break;
            }
            // The line itself may hold a secret.
            Err(_) => warning = Some(format!("Warning: {} has a line that is not NAME=VALUE", path.display())),
        }
    }
    environment.add_missing(variables);
    warning.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_real_environment_wins_over_the_file() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join(".env"), "PORT=1\n# comment\nSERVER_MODE='development'\n").unwrap();
        let mut environment = Environment::of(&[("PORT", "2")], directory.path());
        assert!(load(&mut environment).is_empty());
        assert_eq!(environment.find("PORT"), Some("2"));
        assert_eq!(environment.find("SERVER_MODE"), Some("development"));
    }

    #[test]
    fn a_folder_of_that_name_is_a_warning() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join(".env")).unwrap();
        assert_eq!(load(&mut Environment::of(&[], directory.path())).len(), 1);
    }

    #[test]
    fn a_bad_line_is_a_warning_that_does_not_show_it_and_no_file_is_fine() {
        let directory = tempfile::tempdir().unwrap();
        let mut environment = Environment::of(&[], directory.path());
        assert!(load(&mut environment).is_empty());
        std::fs::write(directory.path().join(".env"), "A=1\nsecret without equals\nB=2\n").unwrap();
        let warnings = load(&mut environment);
        assert_eq!(warnings.len(), 1);
        assert!(!warnings[0].contains("secret"), "{warnings:?}");
        assert_eq!((environment.find("A"), environment.find("B")), (Some("1"), Some("2")));
    }
}
