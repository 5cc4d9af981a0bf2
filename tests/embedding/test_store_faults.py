"""What is wrong with the settings of an object store, against S3's own protocol."""

import pytest

from cupl.embedding.image_files import find_images
from cupl.embedding.store_faults import NO_ADDRESS, NO_PROFILE
from cupl.errors import ServerError


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("AWS_ENDPOINT_URL", "nonsense", NO_ADDRESS),
        ("AWS_ENDPOINT_URL", "127.0.0.1:9000", NO_ADDRESS),
        ("AWS_PROFILE", "nobody", NO_PROFILE),
    ],
)
def test_settings_that_mean_no_store_are_named(
    s3_bucket: str, monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ServerError) as caught:
        find_images(s3_bucket + "/a.jpg")
    assert said in str(caught.value)
