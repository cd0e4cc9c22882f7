# SPDX-License-Identifier: Apache-2.0
"""Files of the package are found in a checkout, in a workspace and in an environment that pip filled."""

import pytest

from depth_anything_ros.core.errors import DepthError
from depth_anything_ros.core.resources import PACKAGE, cache_folder, resource, resource_roots


def installed_under(prefix, *to_packages):
    """A made-up installation with its share/ folder; returns the path of its resources.py."""
    module = prefix.joinpath(*to_packages, PACKAGE, 'core', 'resources.py')
    module.parent.mkdir(parents=True)
    module.touch()
    (prefix / 'share' / PACKAGE / 'models').mkdir(parents=True)
    return module


def test_a_checkout_has_them_beside_the_package(repository):
    assert resource('config', 'fastdds.xml') == repository / 'config' / 'fastdds.xml'
    assert resource('models').is_dir()


@pytest.mark.parametrize('to_packages', [('lib', 'python3.11', 'site-packages'), ()], ids=['prefix', 'target'])
def test_an_installation_has_them_in_share(tmp_path, to_packages):
    module = installed_under(tmp_path, *to_packages)
    assert resource_roots(module)[0] == tmp_path / 'share' / PACKAGE


def test_a_package_linked_into_a_workspace_leads_to_its_checkout(tmp_path, repository):
    link = tmp_path / 'build' / PACKAGE
    link.parent.mkdir()
    link.symlink_to(repository / PACKAGE)
    assert resource_roots(link / 'core' / 'resources.py') == [repository]


def test_what_is_missing_is_named_with_the_places_searched(repository):
    with pytest.raises(DepthError, match=r'models/no-such-card\.yaml') as error:
        resource('models', 'no-such-card.yaml')
    assert str(repository) in str(error.value)
    assert isinstance(error.value, FileNotFoundError)


@pytest.mark.parametrize(
    ('own', 'xdg', 'expected'),
    [
        ('/own', '/xdg', '/own/models'),
        ('', '/xdg', f'/xdg/{PACKAGE}/models'),
        ('', '', f'/home/me/.cache/{PACKAGE}/models'),
    ],
)
def test_fetched_files_go_where_the_environment_says(monkeypatch, own, xdg, expected):
    monkeypatch.setenv('HOME', '/home/me')
    monkeypatch.setenv('DEPTH_ANYTHING_ROS_CACHE', own)
    monkeypatch.setenv('XDG_CACHE_HOME', xdg)
    assert str(cache_folder('models')) == expected
