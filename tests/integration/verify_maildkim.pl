# Mail::DKIM over a list of files, without DNS: the query function is replaced by a table.
# argv: file of records; stdin: names of files; stdout: name TAB d= TAB verdict, one line a signature.
use strict;
use warnings;
use Mail::DKIM::Verifier;
use Mail::DKIM::DNS;
use Net::DNS;

my %record;
open(my $table, '<', $ARGV[0]) or die "$ARGV[0]: $!\n";
while (my $line = <$table>) {
	chomp $line;
	my ($name, $text) = split / /, $line, 2;
	$record{lc $name} = $text;
}
close $table;

sub answer {
	my ($name, $type) = @_;
	my $text = $record{lc $name};
	$@ = 'NXDOMAIN';
	return unless $type eq 'TXT' && defined $text;
	my @chunks = $text =~ /(.{1,250})/gs;
	return Net::DNS::RR->new(owner => $name, type => 'TXT', txtdata => \@chunks);
}

{
	no warnings 'redefine';
	*Mail::DKIM::DNS::query = \&answer;
	*Mail::DKIM::DNS::query_async = sub {
		my ($name, $type, %prms) = @_;
		my %callbacks = %{ $prms{Callbacks} || {} };
		my $done = $callbacks{Success} || sub { @_ };
		return sub { $done->(answer($name, $type)) };
	};
}

while (my $name = <STDIN>) {
	chomp $name;
	open(my $file, '<:raw', $name) or die "$name: $!\n";
	my $chunk;
	my $verifier = Mail::DKIM::Verifier->new();
	while (read($file, $chunk, 262144)) {
		$verifier->PRINT($chunk);
	}
	close $file;
	$verifier->CLOSE();
	my @signatures = $verifier->signatures();
	for my $signature (@signatures) {
		my $why = $signature->result_detail();
		$why =~ s/\s+/ /g;
		print join("\t", $name, $signature->domain() // '?', $signature->result() eq 'pass' ? 'pass' : $why), "\n";
	}
	print "$name\t\tno signature\n" unless @signatures;
}
