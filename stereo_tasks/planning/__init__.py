"""Observation + inventory + settings -> Plan. Pure: no database, no cluster, no clock."""
