//! `open`: lines in, the same lines out, opened; what does not open is listed without a value.

use std::io::Write;
use std::process::{Output, Stdio};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use tenantseal::schema::{Lock, TableSchema};
use tenantseal::{Item, TenantId, TenantSeal};
use tokio::io::AsyncWriteExt;

use crate::world::{ROLE, World};

const SECRET: &str = "ada@secret.example";

fn schema() -> TableSchema {
    let schema = TableSchema::builder("crm").partition_key("tenant_id", "{tenant}").sort_key("contact_id");
    schema.plain("company").encrypt("email").build().unwrap()
}

async fn world() -> World {
    let world = World::start().await;
    let lock = Lock::of([&schema()]).unwrap().to_string();
    std::fs::write(world.path().join("tenantseal.lock.json"), lock).unwrap();
    world
}

fn contact(tenant: &str, id: &str) -> Value {
    json!({ "tenant_id": { "S": tenant }, "contact_id": { "S": id }, "company": { "S": "Example\u{7f}" }, "email": { "S": SECRET } })
}

/// The contact as it is stored, in DynamoDB JSON.
async fn stored(world: &World, tenant: &str, id: &str) -> Value {
    let seal = TenantSeal::builder().assume_role(ROLE).table(schema()).build(&world.service).unwrap();
    let item: serde_dynamo::Item = serde_json::from_value(contact(tenant, id)).unwrap();
    let sealed: Item = seal.tenant(&TenantId::parse(tenant).unwrap()).seal("crm", item.into()).await.unwrap();
    serde_json::to_value(serde_dynamo::Item::from(sealed)).unwrap()
}

async fn open(world: &World, further: &[&str], input: impl AsRef<[u8]>) -> Output {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_tenantseal"));
    command.args(["open", "--table", "crm", "--profile", "service"]).args(further);
    command.current_dir(world.path()).env_clear().envs(world.environment());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.as_ref().to_owned();
    // The command may end before it has read all.
    let writing = tokio::spawn(async move { stdin.write_all(&input).await });
    let output = child.wait_with_output().await.unwrap();
    let _ = writing.await.unwrap();
    output
}

const ALL: [&str; 2] = ["--all-tenants", "--no-audit"];

fn lines(output: &[u8]) -> Vec<Value> {
    String::from_utf8(output.to_vec()).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn text(lines: &[Value]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn lines_come_out_in_their_order_and_shape_and_opened() {
    let world = world().await;
    let shapes = |image: &Value, tenant: &str, id: &str| {
        let keys = json!({ "tenant_id": { "S": tenant }, "contact_id": { "S": id } });
        let images = json!({ "Metadata": { "WriteTimestampMicros": { "N": "1" } }, "Keys": keys, "NewImage": image });
        let record = json!({ "eventName": "REMOVE", "dynamodb": { "Keys": keys, "OldImage": image } });
        [json!({ "Item": image }), images, record.clone(), json!({ "Records": [record] }), image.clone()]
    };
    let (mut input, mut expected) = (Vec::new(), Vec::new());
    for (tenant, id) in [("acme", "c-1"), ("globex", "c-2")] {
        input.extend(shapes(&stored(&world, tenant, id).await, tenant, id));
        expected.extend(shapes(&contact(tenant, id), tenant, id));
    }
    for input in [text(&input).into_bytes(), gzip(&text(&input)), text(&input).trim_end().into()] {
        let output = open(&world, &ALL, input).await;
        assert_eq!((output.status.code(), lines(&output.stdout)), (Some(0), expected.clone()), "{output:?}");
        assert!(!output.stdout.contains(&0x7f), "a terminal obeys nothing of it");
    }
    let said = String::from_utf8(open(&world, &ALL, "").await.stderr).unwrap();
    assert!(said.contains("lines: 0 read"), "{said}");
}

#[tokio::test]
async fn one_tenants_lines_are_opened_and_those_of_others_left_out() {
    let world = world().await;
    let input = [stored(&world, "globex", "c-1").await, stored(&world, "acme", "c-2").await];
    let output = open(&world, &["--tenant", "acme", "--no-audit"], text(&input)).await;
    assert_eq!((output.status.code(), lines(&output.stdout)), (Some(0), vec![contact("acme", "c-2")]), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("1 of other tenants left out") && !said.contains("globex"), "{said}");
}

#[tokio::test]
async fn what_does_not_open_is_listed_without_a_value_and_left_out() {
    let world = world().await;
    let good = stored(&world, "acme", "c-1").await;
    let planted = contact("acme", "c-2");
    let keys = json!({ "tenant_id": { "S": "acme" }, "contact_id": { "S": "c-1" } });
    let changed = json!({ "Metadata": {}, "Keys": keys, "NewImage": good, "OldImage": contact("acme", "c-1") });
    let event = json!({ "Records": [
        { "eventName": "INSERT", "dynamodb": { "Keys": keys, "NewImage": planted } },
        { "eventName": "INSERT", "dynamodb": { "Keys": keys, "NewImage": good } },
    ] });
    let broken = format!("{{\"Item\":{{\"email\":\"{SECRET}\"\n");
    let long = format!("{{\"a\":\"{}\"}}\n", "x".repeat(4 << 20));
    let input = [broken, long, text(&[planted.clone(), changed.clone(), event, good.clone()])].concat();
    let output = open(&world, &[&ALL[..], &["--refused", "r.ndjson"]].concat(), &input).await;
    let written = lines(&output.stdout);
    assert_eq!((output.status.code(), written.len()), (Some(1), 2), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(written[0]["Records"][0]["dynamodb"]["NewImage"], contact("acme", "c-1"));
    assert_eq!((written[0]["Records"].as_array().unwrap().len(), &written[1]), (1, &contact("acme", "c-1")));

    let refused = std::fs::read(world.path().join("r.ndjson")).unwrap();
    let told = |refused: &Value| (refused["line"].as_u64().unwrap(), refused["kind"].as_str().unwrap().to_owned());
    let refused = lines(&refused);
    let expected = [(1, "line"), (2, "line"), (3, "new_image"), (4, "old_image"), (5, "new_image")];
    assert_eq!(refused.iter().map(told).collect::<Vec<_>>(), expected.map(|(line, kind)| (line, kind.to_owned())));
    assert_eq!((&refused[2]["tenant"], &refused[2]["key"]["contact_id"]["S"]), (&json!("acme"), &json!("c-2")));
    assert_eq!((&refused[4]["record"], &refused[2]["record"]), (&json!(0), &Value::Null));
    let said = format!("{refused:?} {}", String::from_utf8_lossy(&output.stderr));
    assert!(!said.contains(SECRET) && !said.contains("Example") && said.contains("`email` does not open"), "{said}");

    // Without the old image the rest of the change is opened.
    let output = open(&world, &[&ALL[..], &["--without-old-images"]].concat(), text(&[changed])).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let expected = json!({ "Metadata": {}, "Keys": keys, "NewImage": contact("acme", "c-1") });
    assert_eq!(lines(&output.stdout), [expected]);

    // The first refusal ends it, after what stands before.
    let output = open(&world, &[&ALL[..], &["--strict"]].concat(), text(&[good.clone(), planted, good])).await;
    assert_eq!((output.status.code(), lines(&output.stdout).len()), (Some(1), 1), "{output:?}");
}

#[tokio::test]
async fn each_use_of_a_data_key_is_accounted_for_before_anything_is_opened() {
    let world = world().await;
    let input = text(&[stored(&world, "acme", "c-1").await, stored(&world, "globex", "c-2").await]);
    for _ in 0..2 {
        let output = open(&world, &["--all-tenants", "--audit", "a.ndjson"], &input).await;
        assert_eq!(output.status.code(), Some(0), "{output:?}");
    }
    let kept = lines(&std::fs::read(world.path().join("a.ndjson")).unwrap());
    let told = |line: &Value| line["tenant"].as_str().unwrap().to_owned();
    let mut tenants: Vec<_> = kept.iter().map(told).collect();
    tenants.sort();
    assert_eq!(tenants, ["acme", "acme", "globex", "globex"], "a second run adds to the first");
    assert!(kept.iter().all(|line| line["operation"] == "open" && line["items"] == 1 && line["table"] == "crm"));

    // `/dev/full` takes the name and no byte.
    let output = open(&world, &["--all-tenants", "--audit", "/dev/full"], &input).await;
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{said}");
    assert!(said.contains("audit") && !said.contains("panicked"), "{said}");
    for missing in [&["--all-tenants"][..], &["--no-audit"], &["--tenant", "acme", "--all-tenants", "--no-audit"]] {
        assert_eq!(open(&world, missing, &input).await.status.code(), Some(2), "{missing:?}");
    }
}

#[tokio::test]
async fn ion_and_input_that_ends_early_are_refused_by_name() {
    let world = world().await;
    for ion in [&b"$ion_1_0 {Item:{a:1}}\n"[..], &[0xe0, 0x01, 0x00, 0xea, 0x0f], &gzip("$ion_1_0 {Item:{}}\n")] {
        let output = open(&world, &ALL, ion).await;
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{said}");
        assert!(said.contains("Amazon Ion") && said.contains("DynamoDB JSON"), "{said}");
    }
    // Its check sum is missing: every line is there, and nobody knows whether they are what was written.
    let whole = gzip(&text(&vec![stored(&world, "acme", "c-1").await; 50]));
    let output = open(&world, &ALL, &whole[..whole.len() - 5]).await;
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(2) && said.contains("cannot be read on"), "{said}");
    assert_eq!(lines(&output.stdout), vec![contact("acme", "c-1"); 50], "what stands before it is written");
}

#[tokio::test]
async fn an_array_job_opens_one_file_of_the_manifest() {
    let world = world().await;
    let folder = world.path().join("01692");
    std::fs::create_dir_all(folder.join("data")).unwrap();
    let mut manifest = String::new();
    for (name, items) in [("x.json.gz", 2), ("y.json.gz", 9)] {
        let line = json!({ "Item": stored(&world, "acme", name).await });
        std::fs::write(folder.join("data").join(name), gzip(&text(&[line.clone(), line]))).unwrap();
        let key = format!("AWSDynamoDB/01692/data/{name}");
        manifest += &json!({ "itemCount": items, "md5Checksum": "x", "etag": "y", "dataFileS3Key": key }).to_string();
        manifest.push('\n');
    }
    std::fs::write(folder.join("manifest-files.json"), manifest).unwrap();
    let command = ["open", "--table", "crm", "--profile", "service", "--manifest", "01692/manifest-files.json"];
    let run = async |further: &[&str], index: &[(&str, &str)]| {
        world.run_with(&[&command[..], &ALL, further].concat(), index).await
    };
    for output in [run(&["--index", "0"], &[]).await, run(&[], &[("SGE_TASK_ID", "1")]).await] {
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert_eq!(lines(&output.stdout), vec![json!({ "Item": contact("acme", "x.json.gz") }); 2]);
    }
    let output = run(&[], &[("AWS_BATCH_JOB_ARRAY_INDEX", "1")]).await;
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && said.contains("it has 2 items, and the manifest lists 9"), "{said}");
    assert_eq!(run(&[], &[]).await.status.code(), Some(2));
    assert_eq!(run(&["--index", "2"], &[]).await.status.code(), Some(2));
}

/// The most memory that the command had, in bytes, and how long it took.
async fn measured(world: &World, input: Vec<u8>) -> (u64, std::time::Duration) {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_tenantseal"));
    command.args(["open", "--table", "crm", "--profile", "service"]).args(ALL);
    command.current_dir(world.path()).env_clear().envs(world.environment());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let (mut stdin, status) = (child.stdin.take().unwrap(), format!("/proc/{}/status", child.id().unwrap()));
    let began = std::time::Instant::now();
    let mut peak = 0;
    for piece in input.chunks(64 << 10) {
        stdin.write_all(piece).await.unwrap();
        let status = std::fs::read_to_string(&status).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        peak = line.split_whitespace().next().unwrap().parse::<u64>().unwrap() << 10;
    }
    drop(stdin);
    assert!(child.wait().await.unwrap().success());
    (peak, began.elapsed())
}

#[tokio::test]
async fn memory_does_not_grow_with_the_input() {
    let world = world().await;
    let mut item = stored(&world, "acme", "c-1").await;
    let company = "x".repeat(1_000 - item.to_string().len());
    item["company"] = json!({ "S": company });
    let line = format!("{item}\n");
    let (few, _) = measured(&world, line.repeat(8_000).into_bytes()).await;
    let (many, took) = measured(&world, line.repeat(40_000).into_bytes()).await;
    println!("{} MB of {few} and {many} bytes at most, 40,000 lines in {took:?}", 40_000 * line.len() / 1_000_000);
    assert!(many < few + (8 << 20), "{few} bytes with 8 MB of input, {many} with 40 MB");
}
