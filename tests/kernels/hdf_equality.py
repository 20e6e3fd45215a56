"""What differs between two HDF5 files: nodes, attributes, storage, and the bytes of every column."""

import h5py
import tables

STORAGE = ("dtype", "shape", "chunks", "compression", "compression_opts", "shuffle", "fletcher32", "maxshape")


def differences(one, other):
    """Return a text for every difference."""
    with h5py.File(one) as file, h5py.File(other) as other_file:
        names, other_names = _names(file), _names(other_file)
        found = [f"only in one: {name}" for name in names ^ other_names]
        for name in sorted(names & other_names):
            found += [f"{name}: {text}" for text in _node_differences(file[name], other_file[name])]
    with tables.open_file(str(one)) as file, tables.open_file(str(other)) as other_file:
        for table in file.walk_nodes("/", "Table"):
            if table._v_pathname in other_file:
                other_table = other_file.get_node(table._v_pathname)
                if str(table.filters) != str(other_table.filters):
                    found.append(f"{table._v_pathname}: filters")
                found += [
                    f"{table._v_pathname}: {text}" for text in _column_differences(table.read(), other_table.read())
                ]
    return found


def _names(file):
    names = ["/"]
    file.visit(names.append)
    return set(names)


def _node_differences(one, other):
    found = [f"attribute {name} only in one" for name in set(one.attrs) ^ set(other.attrs)]
    for name in set(one.attrs) & set(other.attrs):
        if one.attrs.get_id(name).dtype != other.attrs.get_id(name).dtype:
            found.append(f"type of attribute {name}")
        if repr(one.attrs[name]) != repr(other.attrs[name]):
            found.append(f"attribute {name}: {one.attrs[name]!r}, {other.attrs[name]!r}")
    if isinstance(one, h5py.Dataset):
        found += [name for name in STORAGE if repr(getattr(one, name)) != repr(getattr(other, name))]
    return found


def _column_differences(one, other):
    if one.dtype != other.dtype or len(one) != len(other):
        return [f"{len(one)} rows of {one.dtype}, {len(other)} of {other.dtype}"]
    return [
        f"{name}: {(one[name] != other[name]).sum()} of {len(one)}"
        for name in one.dtype.names
        if one[name].tobytes() != other[name].tobytes()
    ]
