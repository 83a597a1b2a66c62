from ipaddress import ip_address, ip_network

import pytest

from worker.channels.addresses import AddressRules, interface_networks, is_public


@pytest.mark.parametrize(
    "address",
    [
        "8.8.8.8",
        "93.184.215.14",
        "2606:4700::1111",
        "2a00:1450:4001::200e",
        "::ffff:8.8.8.8",
        "64:ff9b::808:808",
        "2002:808:808::1",
        "::8.8.8.8",
    ],
)
def test_an_address_of_the_public_internet_is_public(address):
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "100.64.0.1",
        "100.100.100.200",
        "127.0.0.1",
        "127.255.255.254",
        "168.63.129.16",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.192",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::808:808",
        "100::1",
        "2001::1",
        "2001:db8::1",
        "2002:7f00:1::1",
        "2002:a00:1::1",
        "3fff::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
        "localhost",
        "2130706433",
        "",
    ],
)
def test_any_other_address_is_not(address):
    assert not is_public(address)


# This machine's own networks, and those that are denied

LINK = [ip_network("198.41.0.7/32"), ip_network("198.41.0.0/24"), ip_network("2606:4700:1::/64")]


def rules(*denied: str) -> AddressRules:
    return AddressRules(denied, interfaces=lambda: LINK)


@pytest.mark.parametrize(
    "address",
    [
        "198.41.0.7",
        "198.41.0.200",
        "::ffff:198.41.0.7",
        "64:ff9b::c629:7",
        "2606:4700:1::8",
        "2002:c629:7::1",
    ],
)
def test_address_of_this_machine_or_its_link_is_refused(address):
    assert is_public(address)
    assert not rules().allow(address)


@pytest.mark.parametrize("address", ["198.41.1.7", "2606:4700:2::8", "8.8.8.8"])
def test_other_public_address_is_allowed(address):
    assert rules().allow(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "8.8.4.4", "::ffff:8.8.8.8", "2a00:1450:4001::200e"])
def test_address_in_a_denied_network_is_refused(address):
    assert not rules("8.8.0.0/16", "2a00:1450::/32").allow(address)
    assert rules("9.9.9.9", "2a00:1451::/32").allow(address)


def test_private_and_unreadable_addresses_are_refused():
    for address in ("10.0.0.1", "fe80::1%eth0", "nonsense", ""):
        assert not rules().allow(address)


def test_networks_of_the_interfaces_hold_this_machines_loopback():
    assert any(ip_address("127.0.0.1") in network for network in interface_networks() if network.version == 4)
