-- References are looked for in Unicode's NFC from now on: what was kept otherwise is found again. One that has such a twin stays as it is.
update request_names n set name = normalize(n.name, NFC)
where n.kind = 'reference' and n.name is not nfc normalized
  and not exists (select from request_names o where o.tenant_id = n.tenant_id and o.kind = n.kind and o.name = normalize(n.name, NFC));
