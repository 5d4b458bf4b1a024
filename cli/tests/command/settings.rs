//! `--profile`, `--region` and endpoints, as the AWS CLI has them: an argument wins over the environment, the environment over the file.

use crate::world::World;

/// The Region that the printed policy names.
async fn region(world: &World, arguments: &[&str], further: &[(&str, &str)]) -> String {
    let output = world.run_with(&[&["policy", "session", "acme"], arguments].concat(), further).await;
    let policy = String::from_utf8(output.stdout).unwrap();
    let (_, named) =
        policy.split_once("arn:aws:kms:").unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    named.split(':').next().unwrap().to_owned()
}

#[tokio::test]
async fn the_region_comes_from_the_argument_the_environment_or_the_profile() {
    let world = World::start().await;
    let config = "[profile far]\nregion = ap-south-1\n[profile operator]\nregion = eu-west-3\n";
    std::fs::write(world.path().join("config"), config).unwrap();
    assert_eq!(region(&world, &["--profile", "far"], &[("AWS_REGION", "eu-north-1")]).await, "eu-north-1");
    assert_eq!(
        region(&world, &["--region", "sa-east-1", "--profile", "far"], &[("AWS_REGION", "x")]).await,
        "sa-east-1"
    );
    std::fs::write(world.path().join("tenantseal.toml"), "region = \"us-west-2\"\n").unwrap();
    assert_eq!(region(&world, &["--region", "sa-east-1"], &[]).await, "sa-east-1");
}

#[tokio::test]
async fn a_profile_that_is_named_wins_over_credentials_in_the_environment() {
    let world = World::start().await;
    let made_up = [("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"), ("AWS_SECRET_ACCESS_KEY", "x")];
    assert!(world.run_with(&["show", "acme", "--profile", "operator"], &made_up).await.status.success());
    assert_eq!(world.run_with(&["show", "acme"], &made_up).await.status.code(), Some(4));
    assert!(world.run_with(&["show", "acme"], &[("AWS_PROFILE", "operator")]).await.status.success());
}

#[tokio::test]
async fn an_empty_endpoint_is_refused_in_one_line() {
    let world = World::start().await;
    for (arguments, further) in [
        (&["list"][..], &[("AWS_ENDPOINT_URL", ""), ("AWS_PROFILE", "operator")][..]),
        (&["list"], &[("AWS_ENDPOINT_URL_KMS", ""), ("AWS_PROFILE", "operator")]),
        (&["list", "--endpoint-url", ""], &[("AWS_PROFILE", "operator")]),
    ] {
        let output = world.run_with(arguments, further).await;
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(" is empty; ") && said.lines().count() == 1, "{said}");
    }
}
