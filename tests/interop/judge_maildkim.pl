# Mail::DKIM as a judge behind a pipe. A request is a line "MESSAGE_OCTETS RECORDS_OCTETS", then both; the answer is one
# line: the result of each signature, separated by tabs. Its DNS functions are replaced by the records.
use strict;
use warnings;
use Mail::DKIM::Verifier;
use Mail::DKIM::DNS;
use Net::DNS;

binmode STDIN;
binmode STDOUT;
$| = 1;
my %record;

sub answer {
	my ($name, $type) = @_;
	my $texts = $record{lc $name};
	$@ = 'NXDOMAIN';
	return unless $type eq 'TXT' && defined $texts;
	return map {
		my @chunks = /(.{1,250})/gs;
		Net::DNS::RR->new(owner => 'x.test', type => 'TXT', txtdata => \@chunks);
	} @$texts;
}

{
	no warnings 'redefine';
	*Mail::DKIM::DNS::query = \&answer;
	*Mail::DKIM::DNS::query_async = sub {
		my ($name, $type, %prms) = @_;
		my %callbacks = %{ $prms{Callbacks} || {} };
		my $done = $callbacks{Success} || sub { @_ };
		my $failed = $callbacks{Error} || sub { die $_[0] };
		my @found = eval { answer($name, $type) };
		my $error = $@;
		return sub { @found ? $done->(@found) : $done->() };
	};
}

sub octets {
	my ($n) = @_;
	return '' if $n == 0;
	read(STDIN, my $octets, $n) == $n or die "the request ends early\n";
	return $octets;
}

while (my $line = <STDIN>) {
	my ($message_n, $records_n) = split ' ', $line;
	my $message = octets($message_n);
	%record = ();
	for my $entry (split /\n/, octets($records_n)) {
		my ($name, $text) = split / /, $entry, 2;
		push @{ $record{lc $name} }, $text;
	}
	my @said = eval {
		my $verifier = Mail::DKIM::Verifier->new();
		$verifier->PRINT($message);
		$verifier->CLOSE();
		map { my $why = $_->result_detail(); $why =~ s/\s+/ /g; $_->result() eq 'pass' ? 'pass' : $why }
		    $verifier->signatures();
	};
	if (my $why = $@) {
		$why =~ s/\s+/ /g;
		@said = ("died: $why");
	}
	@said = ('no signature') unless @said;
	print join("\t", @said), "\n";
}
