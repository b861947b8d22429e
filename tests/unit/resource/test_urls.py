from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_otlp.resource.urls import normalise_url, provider_of, repository, strip_user_info

SECRET = "s3cr3t"


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("https://github.com/o/r.git", "https://github.com/o/r"),
        ("https://github.com/o/r/", "https://github.com/o/r"),
        ("  https://GitHub.com/O/R.git/\n", "https://github.com/O/R"),
        ("https://me:pw@github.com/o/r", "https://github.com/o/r"),
        ("https://me:p@w@github.com/o/r", "https://github.com/o/r"),
        ("https://git.example.com:8443/o/r.git", "https://git.example.com:8443/o/r"),
        ("https://gitlab.com/a/b/c.git?private_token=x#y", "https://gitlab.com/a/b/c"),
        ("http://[2001:db8::1]/o/r.git", "http://[2001:db8::1]/o/r"),
        ("git+https://github.com/o/r.git", "https://github.com/o/r"),
        ("git://git.example.com/o/r.git", "https://git.example.com/o/r"),
        ("ssh://git@git.example.com:2222/o/r.git", "https://git.example.com/o/r"),
        ("ssh://git@ssh.github.com:443/o/r.git", "https://github.com/o/r"),
        ("git@github.com:o/r.git", "https://github.com/o/r"),
        ("github.com:o/r", "https://github.com/o/r"),
        ("git@gitlab.example.com:/group/sub/r.git", "https://gitlab.example.com/group/sub/r"),
        ("git@[2001:db8::1]:o/r.git", "https://[2001:db8::1]/o/r"),
        ("git@git.sr.ht:~u/r", "https://git.sr.ht/~u/r"),
        ("git@ssh.dev.azure.com:v3/org/My%20Project/r", "https://dev.azure.com/org/My%20Project/_git/r"),
        ("https://org@dev.azure.com/org/p/_git/r", "https://dev.azure.com/org/p/_git/r"),
    ],
)
def test_address_in_a_browser(url: str, address: str) -> None:
    assert normalise_url(url) == address
    assert normalise_url(address) == address


@pytest.mark.parametrize(
    "url",
    [
        "",
        "origin",
        "/srv/git/r.git",
        "../r.git",
        "file:///srv/git/r.git",
        "file://host/srv/git/r.git",
        "C:\\work\\r",
        "C:/work/r",
        "https://github.com",
        "https://github.com/",
        "https://github.com/.git",
        "https://host:port/o/r",
        "ftp://host/o/r",
        "ext::sh -c whoami",
        "codecommit::eu-west-1://profile@r",
        "https://pass/word@host/o/r",
        "https://pass/word#@host/o/r",
        "https://host/o/r?x=@y",
        "user:pass@word:o/r@x",
    ],
)
def test_no_address(url: str) -> None:
    assert normalise_url(url) == ""
    assert set(repository(url).values()) == {""}


@given(
    prefix=st.text(max_size=8),
    suffix=st.text(max_size=8),
    form=st.sampled_from(
        [
            "https://{}@git.example.com/o/r.git",
            "http://{}@git.example.com:8080/o/r",
            "ssh://{}@git.example.com:22/o/r.git",
            "git+ssh://{}@git.example.com/o/r",
            "{}@git.example.com:o/r.git",
            "{}@[::1]:o/r.git",
            "https://git.example.com/o/r?token={}",
            "https://git.example.com/o/r#{}",
        ]
    ),
)
def test_user_info_never_leaks(prefix: str, suffix: str, form: str) -> None:
    url = form.format(prefix + SECRET + suffix)
    assert SECRET not in normalise_url(url)
    assert SECRET not in str(repository(url))


@given(st.text())
def test_any_text_is_an_address_or_nothing(text: str) -> None:
    address = normalise_url(text)
    assert address == "" or address.startswith(("https://", "http://"))
    assert "@" not in address


@given(
    user_info=st.from_regex(r"[A-Za-z0-9._~!$&'()*+,;=:%-]{1,20}@", fullmatch=True) | st.just(""),
    host=st.from_regex(r"[a-z]{2,8}\.[a-z]{2,3}", fullmatch=True),
    path=st.from_regex(r"[a-z0-9]{1,8}(/[A-Za-z0-9_-]{1,8}){1,3}", fullmatch=True),
    end=st.sampled_from(["", ".git", "/", ".git/"]),
)
def test_every_clone_url_of_a_repository_means_the_same(user_info: str, host: str, path: str, end: str) -> None:
    address = f"https://{host}/{path}"
    assert normalise_url(f"https://{user_info}{host}/{path}{end}") == address
    assert normalise_url(f"ssh://{user_info}{host}:2222/{path}{end}") == address
    assert normalise_url(f"{user_info}{host}:{path}{end}") == address


@pytest.mark.parametrize(
    ("url", "provider"),
    [
        ("https://github.com/o/r", "github"),
        ("git@github.example.com:o/r.git", "github"),
        ("https://gitlab-ce.example.com/o/r", "gitlab"),
        ("https://bitbucket.org/o/r", "bitbucket"),
        ("https://gitea.com/o/r", "gitea"),
        ("https://dev.azure.com/o/p/_git/r", "azure_devops"),
        ("https://o.visualstudio.com/p/_git/r", "azure_devops"),
        ("https://git.example.com/github/r", ""),
        ("https://notgithub.example.com/o/r", ""),
        ("/srv/git/github.com", ""),
    ],
)
def test_provider(url: str, provider: str) -> None:
    assert provider_of(url) == provider


def test_repository_in_groups() -> None:
    assert repository("git@gitlab.com:a/b/c.git") == {
        "vcs.repository.url.full": "https://gitlab.com/a/b/c",
        "vcs.repository.name": "c",
        "vcs.owner.name": "a/b",
        "vcs.provider.name": "gitlab",
    }


def test_repository_whose_provider_is_known() -> None:
    assert repository("https://git.example.com/o/r", "gitlab")["vcs.provider.name"] == "gitlab"


@pytest.mark.parametrize(
    ("url", "stripped"),
    [
        ("https://a:b@host/x?y=c@d", "https://host/x?y=c@d"),
        ("https://host/x@y", "https://host/x@y"),
        ("", ""),
    ],
)
def test_strip_user_info(url: str, stripped: str) -> None:
    assert strip_user_info(url) == stripped
