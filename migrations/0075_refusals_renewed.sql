-- A refusal that was written down with a key that is being given up goes over to the new one, when the person is next to be written to.
grant insert on notice_refusals to bus311_mailer;
