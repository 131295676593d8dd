# Mail::DKIM as a signer behind a pipe. A request is a line "OCTETS TAB-separated Name=value", then the message; the
# answer is the length of the field, a line feed, and the field without its last CRLF.
use strict;
use warnings;
use Mail::DKIM::Signer;

binmode STDIN;
binmode STDOUT;
$| = 1;

while (my $line = <STDIN>) {
	chomp $line;
	my ($octets, $rest) = split / /, $line, 2;
	my %args = map { split /=/, $_, 2 } split /\t/, $rest;
	my $oversign = delete $args{Oversign};
	read(STDIN, my $message, $octets) == $octets or die "the request ends early\n";
	my $signer = Mail::DKIM::Signer->new(Algorithm => 'rsa-sha256', %args);
	$signer->extended_headers({ map { $_ => '+' } split /:/, $oversign }) if $oversign;
	$signer->PRINT($message);
	$signer->CLOSE;
	my $field = $signer->signature->as_string;
	$field =~ s/\r?\n(?=[ \t])/\r\n/g;
	print length($field), "\n", $field;
}
