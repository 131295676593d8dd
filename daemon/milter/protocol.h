/*
 * protocol.h - the numbers of the milter protocol, versions 2 to 6, and the version that brought
 * each. The names are the field's own (SMFIC_ commands of the MTA, SMFIR_ replies of the filter,
 * SMFIF_ actions, SMFIP_ protocol steps, SMFIM_ macro stages), so this header must not meet
 * libmilter's in one file.
 *
 * A packet is a length (4 octets, big-endian, counts the letter and the data), a letter, the data.
 * Strings in the data end with a NUL.
 */
#ifndef SIGNPOST_DAEMON_MILTER_PROTOCOL_H
#define SIGNPOST_DAEMON_MILTER_PROTOCOL_H

#define MILTER_VERSION_MIN 2U /* older MTAs (Sendmail 8.11) are refused */
#define MILTER_VERSION_MAX 6U

#define MILTER_LENGTH_BYTES 4U
#define MILTER_OPTNEG_BYTES 12U /* version, actions, protocol */
/* What an MTA sends in one body packet unless SMFIP_MDS_* says otherwise. */
#define MILTER_CHUNK_BYTES 65535U

/* Commands: MTA to filter. */
enum milter_command {
	SMFIC_ABORT = 'A',   /* v2: this message is over, the connection stays */
	SMFIC_BODY = 'B',    /* v2: octets of the body */
	SMFIC_CONNECT = 'C', /* v2: host NUL family [port address NUL] */
	SMFIC_MACRO = 'D',   /* v2: letter of the command they are for, {name NUL value NUL}... */
	SMFIC_BODYEOB = 'E', /* v2: end of message, perhaps with the last octets of the body */
	SMFIC_HELO = 'H',    /* v2: name NUL */
	SMFIC_QUIT_NC = 'K', /* v6: this client is over, another CONNECT follows */
	SMFIC_HEADER = 'L',  /* v2: name NUL value NUL */
	SMFIC_MAIL = 'M',    /* v2: address NUL {ESMTP argument NUL}... */
	SMFIC_EOH = 'N',     /* v2: end of headers */
	SMFIC_OPTNEG = 'O',  /* v2: version, actions, protocol; the answer has the same letter */
	SMFIC_QUIT = 'Q',    /* v2: the connection is over; no answer */
	SMFIC_RCPT = 'R',    /* v2: address NUL {ESMTP argument NUL}... */
	SMFIC_DATA = 'T',    /* v4 */
	SMFIC_UNKNOWN = 'U'  /* v3: an SMTP command the MTA does not know, NUL */
};

/* Replies: filter to MTA. */
enum milter_reply {
	SMFIR_ADDRCPT = '+',     /* v2: address NUL */
	SMFIR_DELRCPT = '-',     /* v2: address NUL */
	SMFIR_ADDRCPT_PAR = '2', /* v6: address NUL arguments NUL */
	SMFIR_SHUTDOWN = '4',    /* v3: 421 */
	SMFIR_ACCEPT = 'a',      /* v2 */
	SMFIR_REPLBODY = 'b',    /* v2: octets */
	SMFIR_CONTINUE = 'c',    /* v2 */
	SMFIR_DISCARD = 'd',     /* v2 */
	SMFIR_CHGFROM = 'e',     /* v6: address NUL [arguments NUL] */
	SMFIR_CONN_FAIL = 'f',   /* v2 */
	SMFIR_ADDHEADER = 'h',   /* v2: name NUL value NUL */
	SMFIR_INSHEADER = 'i',   /* v3: index, name NUL value NUL */
	SMFIR_SETSYMLIST = 'l',  /* v6: named in the option answer, never sent alone */
	SMFIR_CHGHEADER = 'm',   /* v2: index, name NUL value NUL */
	SMFIR_PROGRESS = 'p',    /* v2: still at work, start the time-out again */
	SMFIR_QUARANTINE = 'q',  /* v2: reason NUL */
	SMFIR_REJECT = 'r',      /* v2 */
	SMFIR_SKIP = 's',        /* v6: no more of this kind (RCPT, header, body) */
	SMFIR_TEMPFAIL = 't',    /* v2 */
	SMFIR_REPLYCODE = 'y'    /* v2: "550 5.7.1 text" NUL; % is doubled */
};

/* Families in CONNECT. */
#define SMFIA_UNKNOWN 'U' /* neither port nor address follow */
#define SMFIA_UNIX 'L'
#define SMFIA_INET '4'
#define SMFIA_INET6 '6'

/* Actions the filter may take. */
#define SMFIF_ADDHDRS 0x00000001U     /* v2 */
#define SMFIF_CHGBODY 0x00000002U     /* v2 */
#define SMFIF_ADDRCPT 0x00000004U     /* v2 */
#define SMFIF_DELRCPT 0x00000008U     /* v2 */
#define SMFIF_CHGHDRS 0x00000010U     /* v2 */
#define SMFIF_QUARANTINE 0x00000020U  /* v2 */
#define SMFIF_CHGFROM 0x00000040U     /* v6 */
#define SMFIF_ADDRCPT_PAR 0x00000080U /* v6 */
#define SMFIF_SETSYMLIST 0x00000100U  /* v6: the answer may name the macros it wants */

#define SMFIF_V2 0x0000003FU
#define SMFIF_V6 0x000001FFU

/* Protocol: steps the MTA shall leave out (NO*), replies it shall not wait for (NR_*), manners. */
#define SMFIP_NOCONNECT 0x00000001U   /* v2 */
#define SMFIP_NOHELO 0x00000002U      /* v2 */
#define SMFIP_NOMAIL 0x00000004U      /* v2 */
#define SMFIP_NORCPT 0x00000008U      /* v2 */
#define SMFIP_NOBODY 0x00000010U      /* v2 */
#define SMFIP_NOHDRS 0x00000020U      /* v2 */
#define SMFIP_NOEOH 0x00000040U       /* v2 */
#define SMFIP_NR_HDR 0x00000080U      /* v6 (a compile-time extra of some older Sendmails) */
#define SMFIP_NOUNKNOWN 0x00000100U   /* v3 */
#define SMFIP_NODATA 0x00000200U      /* v4 */
#define SMFIP_SKIP 0x00000400U        /* v6: the MTA understands SMFIR_SKIP */
#define SMFIP_RCPT_REJ 0x00000800U    /* v6: rejected recipients are told too */
#define SMFIP_NR_CONN 0x00001000U     /* v6 */
#define SMFIP_NR_HELO 0x00002000U     /* v6 */
#define SMFIP_NR_MAIL 0x00004000U     /* v6 */
#define SMFIP_NR_RCPT 0x00008000U     /* v6 */
#define SMFIP_NR_DATA 0x00010000U     /* v6 */
#define SMFIP_NR_UNKN 0x00020000U     /* v6 */
#define SMFIP_NR_EOH 0x00040000U      /* v6 */
#define SMFIP_NR_BODY 0x00080000U     /* v6 */
#define SMFIP_HDR_LEADSPC 0x00100000U /* v6: header values keep the blank behind the colon */
#define SMFIP_MDS_256K 0x10000000U    /* v6, later Sendmails: body packets up to 256 KiB - 1 */
#define SMFIP_MDS_1M 0x20000000U      /* v6, later Sendmails: body packets up to 1 MiB - 1 */

#define SMFIP_NR_ALL                                                                               \
	(SMFIP_NR_HDR | SMFIP_NR_CONN | SMFIP_NR_HELO | SMFIP_NR_MAIL | SMFIP_NR_RCPT |            \
	    SMFIP_NR_DATA | SMFIP_NR_UNKN | SMFIP_NR_EOH | SMFIP_NR_BODY)

#define SMFIP_V2 0x0000007FU
#define SMFIP_V3 (SMFIP_V2 | SMFIP_NOUNKNOWN)
#define SMFIP_V4 (SMFIP_V3 | SMFIP_NODATA)
#define SMFIP_V6 (0x001FFFFFU | SMFIP_MDS_256K | SMFIP_MDS_1M)

/* Stages for which the option answer may list the wanted macros (SMFIF_SETSYMLIST). */
enum milter_stage {
	SMFIM_CONNECT = 0,
	SMFIM_HELO = 1,
	SMFIM_ENVFROM = 2,
	SMFIM_ENVRCPT = 3,
	SMFIM_DATA = 4,
	SMFIM_EOM = 5,
	SMFIM_EOH = 6
};
#define MILTER_STAGES 7U

#endif
