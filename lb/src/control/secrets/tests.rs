use super::*;
use crate::{
    config::{Loaded, load},
    scratch::Folder,
};
use std::{fs, os::unix::fs::symlink, path::Path};

/// Keys are the one kind of secret that is only bytes.
fn write(path: &Path, key: u8) {
    fs::write(path, [key; 80]).unwrap();
}

fn loaded(files: &[PathBuf]) -> Loaded {
    let sources = files
        .iter()
        .map(|file| format!("{{filename: {}}}", file.display()));
    let sources = sources.collect::<Vec<_>>().join(", ");
    let text = format!(
        "admin: {{address: {{socket_address: {{address: 127.0.0.1, port_value: 0}}}}}}\n\
         static_resources: {{secrets: [{{name: keys, session_ticket_keys: {{keys: [{sources}]}}}}]}}"
    );
    load(&text).unwrap_or_else(|problems| panic!("{problems:?}"))
}

/// Runs a test with the watched files of a configuration; files settle within no time.
fn with_files<T: Future<Output = ()>>(watched: &[PathBuf], test: impl FnOnce(Files) -> T) {
    let secrets = loaded(watched).snapshot.secrets;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let files = Files::new(secrets, Duration::ZERO).unwrap();
        test(files).await;
    });
}

fn used() -> Vec<News> {
    vec![News::Secret(Outcome {
        secret: "keys".into(),
        error: None,
    })]
}

/// The error of the next news.
async fn error(files: &mut Files) -> String {
    match files.news().await.unwrap().as_slice() {
        [
            News::Secret(Outcome {
                error: Some(error), ..
            }),
        ] => error.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_file_that_is_replaced_is_read_again() {
    let folder = Folder::new();
    let key = folder.path("key");
    write(&key, 1);
    with_files(std::slice::from_ref(&key), async |mut files| {
        let new = folder.path("new");
        write(&new, 2);
        fs::rename(&new, &key).unwrap();
        assert_eq!(files.news().await.unwrap(), used());
        assert_eq!(files.secrets.stats()[0].updates, 1);
    });
}

#[test]
fn a_file_that_is_written_in_place_is_read_again() {
    let folder = Folder::new();
    let key = folder.path("key");
    write(&key, 1);
    with_files(std::slice::from_ref(&key), async |mut files| {
        write(&key, 2);
        assert_eq!(files.news().await.unwrap(), used());
        assert_eq!(files.secrets.stats()[0].updates, 1);
    });
}

#[test]
fn links_are_followed_as_kubernetes_swaps_them() {
    let folder = Folder::new();
    let version = |name: &str, key: u8| {
        fs::create_dir(folder.path(name)).unwrap();
        write(&folder.path(name).join("key"), key);
    };
    version("..1", 1);
    symlink("..1", folder.path("..data")).unwrap();
    symlink("..data/key", folder.path("key")).unwrap();
    with_files(&[folder.path("key")], async |mut files| {
        for (name, key) in [("..2", 2), ("..3", 3)] {
            version(name, key);
            symlink(name, folder.path("..tmp")).unwrap();
            fs::rename(folder.path("..tmp"), folder.path("..data")).unwrap();
            assert_eq!(files.news().await.unwrap(), used(), "{name}");
        }
        assert_eq!(files.secrets.stats()[0].updates, 2);
    });
}

#[test]
fn a_link_to_elsewhere_is_watched_there() {
    let (folder, other) = (Folder::new(), Folder::new());
    write(&other.path("key"), 1);
    symlink(other.path("key"), folder.path("key")).unwrap();
    with_files(&[folder.path("key")], async |mut files| {
        write(&other.path("new"), 2);
        fs::rename(other.path("new"), other.path("key")).unwrap();
        assert_eq!(files.news().await.unwrap(), used());
    });
}

#[test]
fn a_file_that_is_gone_is_used_on_until_it_is_back() {
    let folder = Folder::new();
    let inner = folder.path("inner");
    fs::create_dir(&inner).unwrap();
    let key = inner.join("key");
    write(&key, 1);
    with_files(std::slice::from_ref(&key), async |mut files| {
        fs::remove_dir_all(&inner).unwrap();
        assert!(error(&mut files).await.contains("No such file"));
        let stats = files.secrets.stats().remove(0);
        assert_eq!((stats.updates, stats.update_failures), (0, 1));
        // The directory comes back by a rename, with another key.
        fs::create_dir(folder.path("next")).unwrap();
        write(&folder.path("next").join("key"), 2);
        fs::rename(folder.path("next"), &inner).unwrap();
        assert_eq!(files.news().await.unwrap(), used());
        write(&folder.path("new"), 3);
        fs::rename(folder.path("new"), &key).unwrap();
        assert_eq!(files.news().await.unwrap(), used());
    });
}

#[test]
fn what_cannot_be_used_is_told_once_and_tried_again_when_it_changes() {
    let folder = Folder::new();
    let key = folder.path("key");
    write(&key, 1);
    with_files(std::slice::from_ref(&key), async |mut files| {
        let replace = |bytes: &[u8]| {
            fs::write(folder.path("new"), bytes).unwrap();
            fs::rename(folder.path("new"), &key).unwrap();
        };
        replace(&[2; 79]);
        let expected = format!("keys[0]: {}: is not 80 bytes long", key.display());
        assert_eq!(error(&mut files).await, expected);
        // Another file in the directory is no change of the secret.
        write(&folder.path("other"), 9);
        replace(&[2; 80]);
        assert_eq!(files.news().await.unwrap(), used());
        let stats = files.secrets.stats().remove(0);
        assert_eq!((stats.updates, stats.update_failures), (1, 1));
    });
}

#[test]
fn files_written_one_after_the_other_are_one_change() {
    let folder = Folder::new();
    let (one, two) = (folder.path("one"), folder.path("two"));
    write(&one, 1);
    write(&two, 1);
    let secrets = loaded(&[one.clone(), two.clone()]).snapshot.secrets;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut files = Files::new(secrets, Duration::from_millis(100)).unwrap();
        write(&one, 2);
        let other = async {
            tokio::task::yield_now().await;
            write(&two, 2);
        };
        let (news, ()) = tokio::join!(files.news(), other);
        assert_eq!(news.unwrap(), used());
        assert_eq!(files.secrets.stats()[0].updates, 1);
    });
}

#[test]
fn what_changed_before_it_was_watched_is_noticed() {
    let folder = Folder::new();
    let key = folder.path("key");
    write(&key, 1);
    let secrets = loaded(std::slice::from_ref(&key)).snapshot.secrets;
    write(&key, 2);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut files = Files::new(secrets, Duration::ZERO).unwrap();
        assert_eq!(files.news().await.unwrap(), used());
    });
}
